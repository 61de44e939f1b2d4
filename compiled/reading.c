/* Reading answers. */

#include "hot.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define CHUNK 16384 /* The most that is read at once. */

/* What `read_all` was called with. `seldom(ready, ask)` reads one socket in Python; `unread(connection, error)` and
 * `unlike(connection, data, now)` go on after a read that failed or was not the answer before once more;
 * `internal(connection, error)` takes what must not take its neighbours with it; `ahead()` tells by how much the wall
 * clock is ahead of ours, or None. */
typedef struct {
    PyObject *table, *memo, *answers, *seldom, *unread, *unlike, *internal, *ahead;
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
    PyObject *ahead = PyObject_CallNoArgs(reading->ahead);
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
answered(Reading *reading, PyObject *connection, PyObject *reader, PyObject *data, long long now)
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
        return PyErr_ExceptionMatches(PyExc_OSError) ? hand_over(reading->unread, connection) : -1;
    long long now = clock_ns();
    int failed = note_receipt(reading, connection, stamp, now);
    if (failed)
        goto end;
    PyObject *known = get(reading->memo, DATA), *pending = get(connection, PENDING);
    if (known != NULL && PyBytes_CheckExact(known) && came.size == PyBytes_GET_SIZE(known)
        && memcmp(came.bytes, PyBytes_AS_STRING(known), (size_t)came.size) == 0 && holds(reader, READER)
        && get(reader, STARTED) == Py_False && pending != NULL && PyBytes_CheckExact(pending)
        && PyBytes_GET_SIZE(pending) == 0)
        failed = answered(reading, connection, reader, known, now);
    else {
        if (came.data == NULL && (came.data = PyBytes_FromStringAndSize(came.bytes, came.size)) == NULL)
            return -1;
        failed = told(PyObject_CallFunction(reading->unlike, "OOL", connection, came.data, now));
    }
end:
    Py_XDECREF(came.data);
    return failed;
}

static int
read_one(Reading *reading, PyObject *ready, PyObject *ask)
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
        return PyErr_Occurred() ? -1 : told(PyObject_CallFunctionObjArgs(reading->seldom, ready, ask, NULL));
    }
    Py_INCREF(connection);
    int failed = read_usual(reading, connection, over_tls, ask == Py_True);
    if (failed && PyErr_ExceptionMatches(PyExc_Exception))
        failed = hand_over(reading->internal, connection);
    Py_DECREF(connection);
    return failed;
}

const char read_all_doc[] =
    "read_all(ready, asks, table, memo, answers, size, looked, seldom, unread, unlike, internal, ahead)\n--\n\n"
    "See DirectTransport._read_all.";

PyObject *
read_all(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 12 || !PyList_CheckExact(given[0]) || !PyIter_Check(given[1]) || !PyDict_CheckExact(given[2])
        || !holds(given[3], MEMO) || !PyList_CheckExact(given[4]) || !PyLong_Check(given[5]) || !PyLong_Check(given[6])) {
        PyErr_SetString(PyExc_TypeError, "read_all: wrong arguments");
        return NULL;
    }
    Reading reading = {given[2],  given[3],  given[4],  given[7],
                       given[8],  given[9],  given[10], given[11],
                       PyLong_AsSsize_t(given[5]), to_number(given[6]), 0, NOT_ASKED};
    if (PyErr_Occurred())
        return NULL;
    if (reading.size < 1 || reading.size > CHUNK) {
        PyErr_SetString(PyExc_ValueError, "read_all: size");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(given[0]); i++) {
        PyObject *ask = PyIter_Next(given[1]);
        if (ask == NULL) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "read_all: too few asks");
            return NULL;
        }
        PyObject *ready = Py_NewRef(PyList_GET_ITEM(given[0], i));
        int failed = read_one(&reading, ready, ask);
        Py_DECREF(ready);
        Py_DECREF(ask);
        if (failed)
            return NULL;
    }
    Py_RETURN_NONE;
}
