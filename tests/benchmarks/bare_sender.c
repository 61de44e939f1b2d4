/* A sender and nothing else: what it costs any program to send events over kept connections and to read what comes back.
 * No event is made, signed, measured or counted; answers are not looked at.
 *
 *     bare_sender PORT RATE COUNT < REQUEST
 *
 * With a rate: waits for each due time and sends one request then, late where all connections are busy. With rate 0:
 * sends the next request as soon as an answer has come, as a closed model does. One read is one answer.
 *
 * Two timers, and none is read: one is awaited, the other is armed for the due time after it. When a timer expires the
 * kernel goes on to the next one by itself; to arm the one that is awaited would set the processor's timer anew, which
 * makes a virtual machine exit to its hypervisor.
 *
 * Prints the CPU time (user and system) and the time that COUNT events took, both in ns.
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

enum { CONNECTIONS = 64, TIMERS = 2, AT_ONCE = 64, LONGEST = 1 << 16 };
static const int64_t NS_PER_S = 1000000000, HEAD_START_NS = 10000000;
static char request[LONGEST], answer[LONGEST];
static size_t length;
static int connections[CONNECTIONS], idle[CONNECTIONS], idle_count, timers[TIMERS];
static int64_t sent, answered;

static void
expect(int well, const char *what)
{
    if (!well) {
        perror(what);
        exit(1);
    }
}

static int64_t
nanoseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void
watch(int epoll, int descriptor, uint32_t number)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.u32 = number};
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

static void
send_one(void)
{
    int connection = connections[idle[--idle_count]];
    expect(send(connection, request, length, MSG_NOSIGNAL) == (ssize_t)length, "send");
    sent++;
}

static void
read_one(uint32_t number)
{
    expect(recv(connections[number], answer, sizeof answer, 0) > 0, "recv");
    expect(idle_count < CONNECTIONS, "an answer too many");
    idle[idle_count++] = number;
    answered++;
}

/* One turn of the loop: reads all answers. True where a timer has expired. */
static int
look(int epoll)
{
    struct epoll_event ready[AT_ONCE];
    int found = epoll_wait(epoll, ready, AT_ONCE, -1), expired = 0;
    expect(found > 0, "epoll_wait");
    for (int at = 0; at < found; at++)
        if (ready[at].data.u32 < CONNECTIONS)
            read_one(ready[at].data.u32);
        else
            expired = 1;
    return expired;
}

static void
send_closed(int epoll, int64_t count)
{
    while (answered < count) {
        while (idle_count && sent < count)
            send_one();
        look(epoll);
    }
}

static void
send_paced(int epoll, int64_t count, int64_t gap)
{
    int64_t due = nanoseconds(CLOCK_MONOTONIC) + HEAD_START_NS, armed = due - gap;
    int next = 0, late = 0; /* The timer that is armed next; whether an event waits for a connection. */
    while (answered < count) {
        for (; armed < due + gap; next = 1 - next) {
            armed = armed < due ? due : armed + gap;
            arm(timers[next], armed);
        }
        if (!look(epoll) && !late)
            continue;
        int64_t now = nanoseconds(CLOCK_MONOTONIC);
        for (; due <= now && sent < count && idle_count; due += gap)
            send_one();
        late = due <= now && sent < count;
    }
}

int
main(int argc, char **argv)
{
    expect(argc == 4, "bare_sender PORT RATE COUNT");
    length = fread(request, 1, sizeof request, stdin);
    int64_t rate = atol(argv[2]), count = atol(argv[3]);
    int epoll = epoll_create1(0);
    for (int number = 0; number < CONNECTIONS; number++) {
        connections[number] = connected(atoi(argv[1]));
        watch(epoll, connections[number], number);
        idle[idle_count++] = number;
    }
    for (int number = 0; number < TIMERS; number++) {
        timers[number] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        watch(epoll, timers[number], CONNECTIONS + number);
    }
    int64_t began = nanoseconds(CLOCK_MONOTONIC), before = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    if (rate)
        send_paced(epoll, count, NS_PER_S / rate);
    else
        send_closed(epoll, count);
    printf("%lld %lld\n", (long long)(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - before),
           (long long)(nanoseconds(CLOCK_MONOTONIC) - began));
    return 0;
}
