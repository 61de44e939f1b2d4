/* Reading answers. */

#include "hot.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MOST_READY 1024 /* Sockets that are looked at together. */

/* One look at the sockets of a transport. `ahead_ns`: by how much the wall clock is ahead of ours, where that is known. */
typedef struct {
    PyObject *transport, *table, *memo, *answers;
    Py_ssize_t size;
    long long looked, ahead_ns;
    enum { NOT_ASKED, NOT_KNOWN, KNOWN } ahead_is;
} Reading;

/* recvmsg(2): as recv(2), with the kernel's stamp (receive_stamps.py), or 0 where there is none. */
static Py_ssize_t
receive_stamped(int fd, char *room, size_t size, long long *stamp)
{
    union {
        char room[CMSG_SPACE(sizeof(struct timespec[3]))];
        struct cmsghdr aligned;
    } control;
    struct iovec part = {room, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, 0);
    *stamp = 0;
    if (got < 0 || (size_t)got == size) /* of the last byte that came: more may follow */
        return got;
    for (struct cmsghdr *extra = CMSG_FIRSTHDR(&message); extra != NULL; extra = CMSG_NXTHDR(&message, extra))
        if (extra->cmsg_level == SOL_SOCKET && extra->cmsg_type == SO_TIMESTAMPING
            && extra->cmsg_len == CMSG_LEN(sizeof(struct timespec[3]))) {
            struct timespec software;
            memcpy(&software, CMSG_DATA(extra), sizeof software);
            *stamp = in_ns(software);
        }
    return got;
}

/* Read a socket that does not block, as the socket module does; -1 with an exception. With `stamp` it is asked for. */
static Py_ssize_t
receive(int fd, char *room, Py_ssize_t size, long long *stamp)
{
    for (;;) {
        Py_ssize_t got = stamp != NULL ? receive_stamped(fd, room, (size_t)size, stamp) : recv(fd, room, (size_t)size, 0);
        if (got >= 0)
            return got;
        if (errno != EINTR) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (PyErr_CheckSignals())
            return -1;
    }
}

/* Raise ssl.SSLError. */
static void
raise_tls_error(const char *why)
{
    PyObject *ssl = PyImport_ImportModule("ssl"), *kind = ssl == NULL ? NULL : PyObject_GetAttrString(ssl, "SSLError");
    PyObject *error = kind == NULL ? NULL : PyObject_CallFunction(kind, "is", 1, why); /* SSL_ERROR_SSL */
    if (error != NULL)
        PyErr_SetObject(kind, error);
    Py_XDECREF(error);
    Py_XDECREF(kind);
    Py_XDECREF(ssl);
}

/* As TlsSession.open: what came in the records that are whole now, as bytes. */
static PyObject *
opened(PyObject *tls, const char *arrived, Py_ssize_t size, Left left)
{
    if (size == 0)
        return PyObject_CallMethod(tls, "open", "y", "");
    PyObject *sealed = PyBytes_FromStringAndSize(arrived, size);
    if (sealed == NULL)
        return NULL;
    PyObject *data = NULL, *length = NULL, *pending = NULL;
    PyObject *done = left == ALL ? PyObject_CallOneArg(get(tls, PUT), sealed) : Py_NewRef(Py_None);
    if (done == NULL || (length = PyLong_FromSsize_t(size)) == NULL)
        goto end;
    data = PyObject_CallOneArg(get(tls, DECRYPT), length);
    if (left == ITS_ERROR && data != NULL) { /* asked once more, OpenSSL only says that the session is over */
        Py_CLEAR(data);
        raise_tls_error("an alert, or what is no record");
    }
    if (data == NULL || !PyBytes_CheckExact(data))
        goto end;
    pending = PyObject_GetAttrString(get(tls, ARRIVED), "pending");
    if (pending == NULL) {
        Py_CLEAR(data);
        goto end;
    }
    if (PyObject_IsTrue(pending) || PyBytes_GET_SIZE(data) == 0 || PyBytes_GET_SIZE(data) == size) {
        PyObject *rest = PyObject_CallMethod(tls, "_open_rest", NULL);
        if (rest == NULL)
            Py_CLEAR(data);
        else
            PyBytes_ConcatAndDel(&data, rest);
    }
end:
    Py_DECREF(sealed);
    Py_XDECREF(length);
    Py_XDECREF(done);
    Py_XDECREF(pending);
    return data;
}

/* Have `ahead_ns` known, if it can be. */
static int
find_ahead(Reading *reading)
{
    PyObject *ahead = PyObject_CallMethod(reading->transport, "_ahead_ns", NULL);
    if (ahead == NULL)
        return -1;
    reading->ahead_is = ahead == Py_None ? NOT_KNOWN : KNOWN;
    reading->ahead_ns = ahead == Py_None ? 0 : to_number(ahead);
    Py_DECREF(ahead);
    return PyErr_Occurred() ? -1 : 0;
}

/* Note how late the answer was read at `now`: SocketSet._receipt. `stamp`: NULL where it was not asked for. */
static int
note_receipt(Reading *reading, PyObject *connection, const long long *stamp, long long now)
{
    long long late = reading->looked - now;
    if (stamp != NULL) {
        if (reading->ahead_is == NOT_ASKED && find_ahead(reading))
            return -1;
        long long since = now - *stamp + reading->ahead_ns, sent = number_of(connection, SENT_NS);
        if (PyErr_Occurred())
            return -1;
        if (*stamp && reading->ahead_is == KNOWN && 0 < since && since <= now - sent)
            late = since;
        else if (!reading->looked)
            late = 0;
    }
    return put_number(connection, RECEIPT_NS, late);
}

/* The answer before once more, at `now`: the short way of DirectConnection.take. */
static int
known_again(Reading *reading, PyObject *connection, PyObject *reader, PyObject *data, long long now)
{
    long long served = number_of(connection, SERVED);
    PyObject *instant = PyLong_FromLongLong(now), *answer;
    if ((served < 0 && PyErr_Occurred()) || instant == NULL
        || put_number(connection, BYTES_RECEIVED, PyBytes_GET_SIZE(data))
        || put_number(connection, SERVED, served + 1)) {
        Py_XDECREF(instant);
        return -1;
    }
    put(reader, RAW, Py_NewRef(data));
    put(connection, FIRST_NS, Py_NewRef(instant));
    answer = PyTuple_Pack(3, connection, get(reading->memo, STATUS), instant);
    Py_DECREF(instant);
    if (answer == NULL)
        return -1;
    int failed = PyList_Append(reading->answers, answer);
    Py_DECREF(answer);
    return failed;
}

/* What was read of a connection, and as the object `data` where there is one already. */
typedef struct {
    const char *bytes;
    Py_ssize_t size;
    PyObject *data;
} Came;

/* Take what was read out of its records; `plain`: room for it. */
static int
open_all(Came *came, PyObject *tls, char *plain)
{
    Left left;
    Py_ssize_t size = open_record(tls, came->bytes, came->size, plain, CHUNK, &left);
    if (size > 0) {
        came->bytes = plain;
        came->size = size;
        return 0;
    }
    Py_INCREF(tls);
    came->data = opened(tls, came->bytes, came->size, left);
    Py_DECREF(tls);
    if (came->data == NULL)
        return -1;
    if (!PyBytes_CheckExact(came->data)) {
        PyErr_SetString(PyExc_TypeError, "TLS gave no bytes");
        Py_CLEAR(came->data);
        return -1;
    }
    came->bytes = PyBytes_AS_STRING(came->data);
    came->size = PyBytes_GET_SIZE(came->data);
    return 0;
}

/* Reading raised the present exception. */
static int
unread(Reading *reading, PyObject *connection)
{
    PyObject *error = caught();
    int failed = called(PyObject_CallMethod(reading->transport, "_unread", "nOO", reading->size, connection, error));
    Py_DECREF(error);
    return failed;
}

/* Read a connection on which an event is. -1: with an exception of the connection's own. */
static int
read_usual(Reading *reading, PyObject *connection, int over_tls, int ask)
{
    char room[CHUNK], plain[CHUNK];
    long long at, *stamp = ask ? &at : NULL;
    PyObject *reader = get(connection, READER_OF);
    Py_ssize_t got = receive((int)number_of(connection, FD), room, reading->size, stamp);
    Came came = {room, got, NULL};
    if (got < 0 || (over_tls && open_all(&came, get(connection, TLS_OF), plain)))
        return PyErr_ExceptionMatches(PyExc_OSError) ? unread(reading, connection) : -1;
    long long now = clock_ns();
    int failed = note_receipt(reading, connection, stamp, now);
    if (failed)
        goto end;
    PyObject *known = get(reading->memo, DATA), *pending = get(connection, PENDING);
    if (known != NULL && PyBytes_CheckExact(known) && came.size == PyBytes_GET_SIZE(known)
        && memcmp(came.bytes, PyBytes_AS_STRING(known), (size_t)came.size) == 0 && holds(reader, READER)
        && get(reader, STARTED) == Py_False && pending != NULL && PyBytes_CheckExact(pending)
        && PyBytes_GET_SIZE(pending) == 0)
        failed = known_again(reading, connection, reader, known, now);
    else {
        if (came.data == NULL && (came.data = PyBytes_FromStringAndSize(came.bytes, came.size)) == NULL)
            return -1;
        failed = called(PyObject_CallMethod(reading->transport, "_unlike", "OOL", connection, came.data, now));
    }
end:
    Py_XDECREF(came.data);
    return failed;
}

/* Read what is ready as (descriptor, mask). `ask`: whether for the kernel's stamp. */
static int
read_one(Reading *reading, PyObject *ready, int ask)
{
    if (!PyTuple_CheckExact(ready) || PyTuple_GET_SIZE(ready) != 2) {
        PyErr_SetString(PyExc_TypeError, "a socket is ready as (descriptor, mask)");
        return -1;
    }
    PyObject *fd = PyTuple_GET_ITEM(ready, 0), *mask = PyTuple_GET_ITEM(ready, 1);
    PyObject *connection = PyDict_GetItemWithError(reading->table, fd);
    if (connection == NULL && PyErr_Occurred())
        return -1;
    int over_tls;
    if (connection == NULL || PyLong_AsLong(mask) != EPOLLIN || (over_tls = usable(connection)) < 0
        || get(connection, EVENT) == NULL || get(connection, EVENT) == Py_None) {
        return PyErr_Occurred() ? -1
                                : called(PyObject_CallMethod(reading->transport, "_seldom", "LOO", reading->looked, ready,
                                                           ask ? Py_True : Py_False));
    }
    Py_INCREF(connection);
    int failed = read_usual(reading, connection, over_tls, ask);
    if (failed && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyObject *error = caught();
        failed = called(PyObject_CallMethod(get(reading->transport, OWNER), "on_internal", "OO", connection, error));
        Py_DECREF(error);
    }
    Py_DECREF(connection);
    return failed;
}

/* Note that the sockets are looked at: SocketSet._look. Returns whether all reads ask for a stamp. */
static int
look(Reading *reading)
{
    long long began = clock_ns();
    PyObject *owner = get(reading->transport, OWNER);
    PyObject *of_owner = is_known(owner) ? Py_XNewRef(get(owner, TICKED_NS)) : PyObject_GetAttrString(owner, "looked_ns");
    long long ticked = of_owner == NULL ? -1 : to_number(of_owner);
    Py_XDECREF(of_owner);
    reading->looked = number_of(reading->transport, LOOKED_NS);
    if (PyErr_Occurred() || put_number(reading->transport, LOOKED_NS, began))
        return -1;
    if (reading->looked < ticked || !ticked)
        reading->looked = ticked;
    return began - reading->looked > constants[SELDOM_NS];
}

/* The read size where what is known of the answers allows a small one: DirectTransport._read_size. */
static Py_ssize_t
read_size(PyObject *transport)
{
    PyObject *data = get(get(transport, MEMO_OF), DATA);
    int small = get(transport, VARIED) == Py_False && data != NULL && PyBytes_CheckExact(data)
                && PyBytes_GET_SIZE(data) <= constants[FITS];
    return (Py_ssize_t)constants[small ? SMALL : CHUNK_SIZE];
}

/* Read all that are ready. */
static int
read_all(PyObject *transport, PyObject *ready)
{
    Reading reading = {.transport = transport, .table = get(transport, TABLE), .memo = get(transport, MEMO_OF),
                       .answers = get(transport, ANSWERS), .size = read_size(transport), .ahead_is = NOT_ASKED};
    int all = look(&reading), failed = all < 0;
    for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(ready); i++) {
        PyObject *ask = all ? Py_NewRef(Py_True) : PyIter_Next(get(transport, SOME));
        failed = ask == NULL || read_one(&reading, PyList_GET_ITEM(ready, i), ask == Py_True);
        Py_XDECREF(ask);
    }
    return failed;
}

/* Hand on what was answered; returns how many, or -1. */
static Py_ssize_t
hand_on(PyObject *transport)
{
    PyObject *answers = get(transport, ANSWERS), *owner = get(transport, OWNER);
    Py_ssize_t count = PyList_GET_SIZE(answers);
    if (count == 0)
        return 0;
    PyObject *none = PyList_New(0);
    if (none == NULL)
        return -1;
    Py_INCREF(answers);
    put(transport, ANSWERS, none);
    int done = is_known(owner) ? settle_all(owner, answers) : 0;
    if (done == 0)
        done = called(PyObject_CallMethod(owner, "on_answers", "O", answers));
    Py_DECREF(answers);
    return done < 0 ? -1 : count;
}

/* Look at the sockets, and read those that are ready: 1; 0 where nothing more is expected at once. */
static int
look_once(PyObject *transport)
{
    static PyObject *arguments;
    if (arguments == NULL && (arguments = Py_BuildValue("(ii)", 0, MOST_READY)) == NULL)
        return -1;
    PyObject *ready = PyObject_Call(get(transport, POLL), arguments, NULL);
    int more = -1;
    if (ready == NULL || !PyList_CheckExact(ready)) {
        if (ready != NULL)
            PyErr_SetString(PyExc_TypeError, "what is ready is a list");
    }
    else if (PyList_GET_SIZE(ready) == 0)
        more = 0;
    else if (!read_all(transport, ready)) {
        Py_ssize_t answered = hand_on(transport);
        more = answered < 0 ? -1 : !(answered == PyList_GET_SIZE(ready) && answered <= constants[FEW]);
    }
    Py_XDECREF(ready);
    return more;
}

const char drain_doc[] = "drain(transport)\n--\n\nSee SocketSet._drain, of a DirectTransport.";

PyObject *
drain(PyObject *module, PyObject *transport)
{
    if (!is_of(transport, TRANSPORT) || !holds(get(transport, MEMO_OF), MEMO)
        || !PyDict_CheckExact(get(transport, TABLE)) || !PyList_CheckExact(get(transport, ANSWERS))) {
        PyErr_SetString(PyExc_TypeError, "drain: wrong arguments");
        return NULL;
    }
    put(transport, DRAINING, Py_NewRef(Py_True));
    int more = 1;
    for (int round = 0; more == 1 && round < constants[ROUNDS]; round++)
        more = look_once(transport);
    put(transport, DRAINING, Py_NewRef(Py_False));
    if (PyObject_IsTrue(get(transport, GRAVEYARD)) == 1) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        int failed = called(PyObject_CallMethod(transport, "_bury_all", NULL));
        if (!failed)
            PyErr_Restore(type, error, trace);
        else {
            Py_XDECREF(type);
            Py_XDECREF(error);
            Py_XDECREF(trace);
        }
    }
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}
