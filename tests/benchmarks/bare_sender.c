/* An open-model sender and nothing else: what it costs any program to be woken for each event, to send it and to read
 * its answer. No event is made, signed, measured or counted; no answer is looked at.
 *
 *     bare_sender PORT RATE COUNT < REQUEST
 *
 * Over CONNECTIONS kept connections to the loopback address: waits for each due time by a timer, sends the request, reads
 * what has come. Prints the CPU time of all COUNT events in ns, user and system.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, TIMER = CONNECTIONS, AT_ONCE = 64, LONGEST = 1 << 16 };
static const int64_t NS_PER_S = 1000000000, HEAD_START_NS = 10000000;

static int64_t
nanoseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void
expect(int well, const char *what)
{
    if (!well) {
        perror(what);
        exit(1);
    }
}

static void
watch(int epoll, int descriptor, uint32_t number)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = number};
    expect(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &wanted) == 0, "epoll_ctl");
}

static int
connected(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    expect(connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

static void
arm(int timer, int64_t due)
{
    struct itimerspec instant = {.it_value = {due / NS_PER_S, due % NS_PER_S}};
    expect(timerfd_settime(timer, TFD_TIMER_ABSTIME, &instant, NULL) == 0, "timerfd_settime");
}

int
main(int count_of_words, char **words)
{
    expect(count_of_words == 4, "bare_sender PORT RATE COUNT");
    static char request[LONGEST], answer[LONGEST];
    size_t length = fread(request, 1, sizeof request, stdin);
    int64_t gap = NS_PER_S / atol(words[2]), count = atol(words[3]), sent = 0, answered = 0, idle = 0;
    int epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int connections[CONNECTIONS], free_ones[CONNECTIONS];
    for (int number = 0; number < CONNECTIONS; number++) {
        connections[number] = connected(atoi(words[1]));
        watch(epoll, connections[number], number);
        free_ones[idle++] = number;
    }
    watch(epoll, timer, TIMER);
    int64_t before = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    int64_t due = nanoseconds(CLOCK_MONOTONIC) + HEAD_START_NS;
    arm(timer, due);
    while (answered < count) {
        struct epoll_event ready[AT_ONCE];
        int found = epoll_wait(epoll, ready, AT_ONCE, -1);
        for (int at = 0; at < found; at++) {
            uint32_t number = ready[at].data.u32;
            if (number != TIMER) {
                expect(recv(connections[number], answer, sizeof answer, 0) > 0, "recv");
                free_ones[idle++] = number;
                answered++;
                continue;
            }
            uint64_t times;
            expect(read(timer, &times, sizeof times) == sizeof times, "read");
            for (int64_t now = nanoseconds(CLOCK_MONOTONIC); due <= now && sent < count && idle; sent++, due += gap)
                expect(send(connections[free_ones[--idle]], request, length, 0) == (ssize_t)length, "send");
            if (sent < count)
                arm(timer, due);
        }
    }
    printf("%lld\n", (long long)(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - before));
    return 0;
}
