/* The compiled step of the hot path: what each event of an HTTP/1.1 run passes, for the case that nearly all take.
 *
 * Optional. The Python code beside each caller is the reference, does all the rest, and does this too where the module
 * was not built. Objects are the Python ones; members of classes with __slots__ are reached by their offsets, which
 * `bind` looks up once and refuses where something is not as it expects.
 *
 * Two rules keep it correct. What is borrowed is held while Python may run. And whatever is not the usual case is left
 * to a Python function before anything was changed, or with what was read or written already.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define CONTRACT 1 /* Of this module with its callers, see compiled_step.py. */
#define CHUNK 16384 /* The most that is read at once. */
#define ROOM 16384 /* Requests up to this size are put together on the stack. */

/* -- members of Python objects ------------------------------------------------------------------------------------ */

enum { CONNECTION, READER, MEMO, TLS, KINDS };
static PyTypeObject *kinds[KINDS];

enum {
    STATE, FD, EVENT, READER_OF, TLS_OF, PENDING, OVERHEAD, SERVED, SLOT_NS, READY_NS, SENT_NS, FIRST_NS, RECEIPT_NS,
    BYTES_SENT, BYTES_RECEIVED, REUSABLE, RAW, STARTED, DATA, STATUS, PUT, DECRYPT, ENCRYPT, TAKE, ARRIVED, MEMBERS
};
static const struct { int kind; const char *name; } members[MEMBERS] = {
    [STATE] = {CONNECTION, "state"}, [FD] = {CONNECTION, "fd"}, [EVENT] = {CONNECTION, "event"},
    [READER_OF] = {CONNECTION, "reader"}, [TLS_OF] = {CONNECTION, "_tls"}, [PENDING] = {CONNECTION, "pending"},
    [OVERHEAD] = {CONNECTION, "overhead"}, [SERVED] = {CONNECTION, "served"}, [SLOT_NS] = {CONNECTION, "slot_ns"},
    [READY_NS] = {CONNECTION, "ready_ns"}, [SENT_NS] = {CONNECTION, "sent_ns"}, [FIRST_NS] = {CONNECTION, "first_ns"},
    [RECEIPT_NS] = {CONNECTION, "receipt_ns"}, [BYTES_SENT] = {CONNECTION, "bytes_sent"},
    [BYTES_RECEIVED] = {CONNECTION, "bytes_received"}, [REUSABLE] = {CONNECTION, "reusable"}, [RAW] = {READER, "raw"}, [STARTED] = {READER, "started"},
    [DATA] = {MEMO, "data"}, [STATUS] = {MEMO, "status"}, [PUT] = {TLS, "_put"}, [DECRYPT] = {TLS, "_decrypt"},
    [ENCRYPT] = {TLS, "_encrypt"}, [TAKE] = {TLS, "take"}, [ARRIVED] = {TLS, "_arrived"},
};
static Py_ssize_t offsets[MEMBERS];
static long ready_state; /* The `state` of a connection that carries events. */
static PyObject *zero;

/* Borrowed; NULL where it was never set, without an exception. */
static inline PyObject *
get(PyObject *object, int member)
{
    return *(PyObject **)((char *)object + offsets[member]);
}

/* Takes the reference to `value`. */
static inline void
put(PyObject *object, int member, PyObject *value)
{
    PyObject **place = (PyObject **)((char *)object + offsets[member]), *old = *place;
    *place = value;
    Py_XDECREF(old);
}

static inline int
put_number(PyObject *object, int member, long long value)
{
    PyObject *number = PyLong_FromLongLong(value);
    if (number == NULL)
        return -1;
    put(object, member, number);
    return 0;
}

/* PyLong_AsLongLong in a third of the time, for numbers as large as instants are. */
static inline long long
to_number(PyObject *value)
{
    int over = 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &over);
    if (over)
        PyErr_SetString(PyExc_OverflowError, "a number does not fit 64 bits");
    return number;
}

/* The number of a member; -1 with an exception where it is none. */
static inline long long
number_of(PyObject *object, int member)
{
    PyObject *value = get(object, member);
    if (value == NULL || !PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s is not a number", members[member].name);
        return -1;
    }
    return to_number(value);
}

/* Whether a member is an object of the kind. */
static inline int
holds(PyObject *value, int kind)
{
    return value != NULL && Py_IS_TYPE(value, kinds[kind]);
}

static inline long long
clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Whether the connection is one of ours, ready for bytes, over TLS (1), in the clear (0), or not (-1). */
static inline int
usable(PyObject *connection)
{
    if (!Py_IS_TYPE(connection, kinds[CONNECTION]))
        return -1;
    PyObject *state = get(connection, STATE), *tls = get(connection, TLS_OF);
    if (state == NULL || tls == NULL || !PyLong_CheckExact(state) || PyLong_AsLong(state) != ready_state)
        return -1;
    return tls == Py_None ? 0 : holds(tls, TLS) ? 1 : -1;
}

/* A call that is made for its effect: 0, or -1 with an exception. */
static int
told(PyObject *done)
{
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The present exception, which is no longer set. */
static PyObject *
caught(void)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace != NULL)
        PyException_SetTraceback(error, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return error;
}

/* Hand the present exception to `call(connection, error)`. */
static int
hand_over(PyObject *call, PyObject *connection)
{
    PyObject *error = caught();
    int failed = told(PyObject_CallFunctionObjArgs(call, connection, error, NULL));
    Py_DECREF(error);
    return failed;
}

/* -- reading ------------------------------------------------------------------------------------------------------ */

/* What `read_all` was called with. `seldom(fd, mask, ask)` reads one socket in Python; `unread(connection, error)` and
 * `unlike(connection, data, now)` go on after a read that failed or was not the answer before once more;
 * `internal(connection, error)` takes what must not take its neighbours with it. */
typedef struct {
    PyObject *table, *memo, *answers, *seldom, *unread, *unlike, *internal;
    Py_ssize_t size;
    long long looked;
} Reading;

/* recv(2) as the socket module calls it, for a socket that does not block; -1 with an exception. */
static Py_ssize_t
receive(int fd, char *room, Py_ssize_t size)
{
    for (;;) {
        Py_ssize_t got = recv(fd, room, (size_t)size, 0);
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

/* As TlsSession.open: what came in the records that are whole now, as bytes. */
static PyObject *
opened(PyObject *tls, const char *arrived, Py_ssize_t size)
{
    PyObject *sealed = PyBytes_FromStringAndSize(arrived, size);
    if (sealed == NULL)
        return NULL;
    PyObject *data = NULL, *length = NULL, *pending = NULL, *done = PyObject_CallOneArg(get(tls, PUT), sealed);
    if (done == NULL || (length = PyLong_FromSsize_t(size)) == NULL)
        goto end;
    data = PyObject_CallOneArg(get(tls, DECRYPT), length);
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

/* The answer before once more, at `now`: the short way of DirectConnection.take. */
static int
answered(const Reading *reading, PyObject *connection, PyObject *reader, PyObject *data, long long now)
{
    long long served = number_of(connection, SERVED);
    PyObject *instant = PyLong_FromLongLong(now), *answer;
    if ((served < 0 && PyErr_Occurred()) || instant == NULL
        || put_number(connection, RECEIPT_NS, reading->looked - now)
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

/* Read a connection on which an event is. -1: with an exception of the connection's own. */
static int
read_usual(const Reading *reading, PyObject *connection, int over_tls)
{
    char room[CHUNK];
    PyObject *data = NULL, *reader = get(connection, READER_OF), *tls = get(connection, TLS_OF);
    Py_ssize_t got = receive((int)number_of(connection, FD), room, reading->size);
    if (got >= 0 && over_tls) {
        Py_INCREF(tls);
        data = got ? opened(tls, room, got) : PyObject_CallMethod(tls, "open", "y", "");
        Py_DECREF(tls);
        if (data != NULL && !PyBytes_CheckExact(data)) {
            PyErr_SetString(PyExc_TypeError, "TLS gave no bytes");
            Py_CLEAR(data);
        }
    }
    if (got < 0 || (over_tls && data == NULL))
        return PyErr_ExceptionMatches(PyExc_OSError) ? hand_over(reading->unread, connection) : -1;
    long long now = clock_ns();
    const char *bytes = over_tls ? PyBytes_AS_STRING(data) : room;
    Py_ssize_t length = over_tls ? PyBytes_GET_SIZE(data) : got;
    PyObject *known = get(reading->memo, DATA), *pending = get(connection, PENDING);
    int failed;
    if (known != NULL && PyBytes_CheckExact(known) && length == PyBytes_GET_SIZE(known)
        && memcmp(bytes, PyBytes_AS_STRING(known), (size_t)length) == 0 && holds(reader, READER)
        && get(reader, STARTED) == Py_False && pending != NULL && PyBytes_CheckExact(pending)
        && PyBytes_GET_SIZE(pending) == 0)
        failed = answered(reading, connection, reader, known, now);
    else {
        if (data == NULL && (data = PyBytes_FromStringAndSize(room, got)) == NULL)
            return -1;
        failed = put_number(connection, RECEIPT_NS, reading->looked - now)
                 || told(PyObject_CallFunction(reading->unlike, "OOL", connection, data, now));
    }
    Py_XDECREF(data);
    return failed;
}

static int
read_one(const Reading *reading, PyObject *ready, PyObject *ask)
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
    if (connection == NULL || ask != Py_False || PyLong_AsLong(mask) != EPOLLIN || (over_tls = usable(connection)) < 0
        || get(connection, EVENT) == NULL || get(connection, EVENT) == Py_None) {
        return PyErr_Occurred() ? -1 : told(PyObject_CallFunctionObjArgs(reading->seldom, ready, ask, NULL));
    }
    Py_INCREF(connection);
    int failed = read_usual(reading, connection, over_tls);
    if (failed && PyErr_ExceptionMatches(PyExc_Exception))
        failed = hand_over(reading->internal, connection);
    Py_DECREF(connection);
    return failed;
}

PyDoc_STRVAR(read_all_doc,
"read_all(ready, asks, table, memo, answers, size, looked, seldom, unread, unlike, internal)\n--\n\n"
"See DirectTransport._read_all.");

static PyObject *
read_all(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 11 || !PyList_CheckExact(given[0]) || !PyIter_Check(given[1]) || !PyDict_CheckExact(given[2])
        || !holds(given[3], MEMO) || !PyList_CheckExact(given[4]) || !PyLong_Check(given[5]) || !PyLong_Check(given[6])) {
        PyErr_SetString(PyExc_TypeError, "read_all: wrong arguments");
        return NULL;
    }
    Reading reading = {given[2], given[3], given[4], given[7], given[8], given[9], given[10],
                       PyLong_AsSsize_t(given[5]), to_number(given[6])};
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

/* -- sending ------------------------------------------------------------------------------------------------------ */

/* The parts of one request. The line that names its delivery: `name`, and, where it is made here, the index in digits and
 * `behind`. `framing`: the header line with the body's length, and the empty line. */
typedef struct {
    PyObject *head, *headers, *name, *behind, *body;
    char number[24], framing[48];
    size_t numbered, framed;
} Request;

/* Write a number in decimal digits; returns where they end. */
static char *
decimal(char *at, unsigned long long number)
{
    char digits[24];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

static char *
copied(char *at, PyObject *bytes)
{
    memcpy(at, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    return at + PyBytes_GET_SIZE(bytes);
}

/* Fill in what is made here; returns the size of the whole. */
static Py_ssize_t
framed(Request *request)
{
    static const char line[] = "Content-Length: ";
    Py_ssize_t size = PyBytes_GET_SIZE(request->body);
    memcpy(request->framing, line, sizeof line - 1);
    char *at = decimal(request->framing + sizeof line - 1, (unsigned long long)size);
    memcpy(at, "\r\n\r\n", 4);
    request->framed = (size_t)(at + 4 - request->framing);
    if (request->behind != NULL)
        size += PyBytes_GET_SIZE(request->behind);
    return size + PyBytes_GET_SIZE(request->head) + PyBytes_GET_SIZE(request->headers) + PyBytes_GET_SIZE(request->name)
           + (Py_ssize_t)(request->numbered + request->framed);
}

static void
put_together(const Request *request, char *at)
{
    at = copied(copied(copied(at, request->head), request->headers), request->name);
    if (request->behind != NULL) {
        memcpy(at, request->number, request->numbered);
        at = copied(at + request->numbered, request->behind);
    }
    memcpy(at, request->framing, request->framed);
    copied(at + request->framed, request->body);
}

/* Write a request: as DirectTransport._write_all. `over`: by how much TLS made it longer. */
static int
write_first(PyObject *connection, const char *data, Py_ssize_t size, long long over)
{
    put(connection, FIRST_NS, Py_NewRef(zero));
    put(connection, RECEIPT_NS, Py_NewRef(zero));
    put(connection, BYTES_RECEIVED, Py_NewRef(zero));
    int fd = (int)number_of(connection, FD);
    if (put_number(connection, SENT_NS, clock_ns()))
        return -1;
    Py_ssize_t sent;
    while ((sent = send(fd, data, (size_t)size, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        if (PyErr_CheckSignals())
            return -1;
    if (sent == size)
        return put_number(connection, BYTES_SENT, sent - over);
    if (sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK)
        return told(PyObject_CallMethod(connection, "partly_sent", "y#n", data, size, sent < 0 ? 0 : sent));
    PyErr_SetFromErrno(PyExc_OSError);
    PyObject *error = caught();
    int failed = told(PyObject_CallMethod(connection, "unsent", "O", error));
    Py_DECREF(error);
    return failed;
}

static int
send_plain(const Request *request, Py_ssize_t size, PyObject *connection)
{
    char room[ROOM], *data = room;
    if (size > ROOM && (data = PyMem_Malloc((size_t)size)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    put_together(request, data);
    int failed = write_first(connection, data, size, 0);
    if (data != room)
        PyMem_Free(data);
    return failed;
}

/* Encrypt a request as TlsSession.seal does, and note in `sealed` what is to be written: connection, bytes, overhead.
 * Where the session has ended the connection is told, and nothing noted. */
static int
seal(const Request *request, Py_ssize_t size, PyObject *connection, PyObject *sealed)
{
    PyObject *tls = Py_NewRef(get(connection, TLS_OF)), *records = NULL, *note = NULL;
    PyObject *data = PyBytes_FromStringAndSize(NULL, size), *done = NULL;
    int failed = -1;
    if (data == NULL)
        goto end;
    put_together(request, PyBytes_AS_STRING(data));
    done = PyObject_CallOneArg(get(tls, ENCRYPT), data);
    if (done != NULL)
        records = PyLong_AsSsize_t(done) == size ? PyObject_CallNoArgs(get(tls, TAKE))
                                                 : PyObject_CallMethod(tls, "seal_rest", "OO", data, done);
    if (records == NULL) {
        if (PyErr_ExceptionMatches(PyExc_OSError)) { /* ssl.SSLError */
            PyObject *error = caught();
            failed = told(PyObject_CallMethod(connection, "unsealed", "O", error));
            Py_DECREF(error);
        }
        goto end;
    }
    if (!PyBytes_CheckExact(records)) {
        PyErr_SetString(PyExc_TypeError, "TLS gave no bytes");
        goto end;
    }
    if (put_number(connection, OVERHEAD, PyBytes_GET_SIZE(records) - size)
        || (note = PyTuple_Pack(2, connection, records)) == NULL)
        goto end;
    failed = PyList_Append(sealed, note);
end:
    Py_DECREF(tls);
    Py_XDECREF(data);
    Py_XDECREF(done);
    Py_XDECREF(records);
    Py_XDECREF(note);
    return failed;
}

static int
send_sealed(PyObject *sealed)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(sealed); i++) {
        PyObject *connection = PyTuple_GET_ITEM(PyList_GET_ITEM(sealed, i), 0);
        PyObject *records = PyTuple_GET_ITEM(PyList_GET_ITEM(sealed, i), 1);
        long long over = number_of(connection, OVERHEAD);
        if (over < 0 || write_first(connection, PyBytes_AS_STRING(records), PyBytes_GET_SIZE(records), over))
            return -1;
    }
    return 0;
}

/* Fill in the line that names the delivery; `names` as `send_all` has it. Its first part is a new reference. */
static int
named(Request *request, PyObject *names, PyObject *index)
{
    if (PyTuple_CheckExact(names)) {
        long long number = to_number(index);
        if (number < 0) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "an index is not negative");
            return -1;
        }
        request->name = Py_NewRef(PyTuple_GET_ITEM(names, 0));
        request->behind = PyTuple_GET_ITEM(names, 1);
        request->numbered = (size_t)(decimal(request->number, (unsigned long long)number) - request->number);
        return 0;
    }
    PyObject *name = PyDict_GetItemWithError(names, index);
    if (name != NULL)
        Py_INCREF(name);
    else if (PyErr_Occurred() || (name = PyObject_GetItem(names, index)) == NULL) /* it makes what is missing */
        return -1;
    if (!PyBytes_Check(name)) {
        Py_DECREF(name);
        PyErr_SetString(PyExc_TypeError, "the header lines of a delivery are bytes");
        return -1;
    }
    request->name = name;
    return 0;
}

/* Send one of `made`: (connection, (headers, body), index). */
static int
send_one(PyObject *one, PyObject *head, PyObject *names, PyObject *sealed)
{
    Request request = {.head = head};
    PyObject *pair;
    if (!PyTuple_Check(one) || PyTuple_GET_SIZE(one) != 3 || !PyTuple_Check(pair = PyTuple_GET_ITEM(one, 1))
        || PyTuple_GET_SIZE(pair) != 2 || !PyBytes_Check(request.headers = PyTuple_GET_ITEM(pair, 0))
        || !PyBytes_Check(request.body = PyTuple_GET_ITEM(pair, 1))) {
        PyErr_SetString(PyExc_TypeError, "a request is made as (connection, (headers, body), index)");
        return -1;
    }
    PyObject *connection = PyTuple_GET_ITEM(one, 0), *index = PyTuple_GET_ITEM(one, 2);
    int over_tls = usable(connection);
    if (over_tls < 0) {
        PyErr_SetString(PyExc_TypeError, "a request needs a connection that is ready");
        return -1;
    }
    if (named(&request, names, index))
        return -1;
    Py_ssize_t size = framed(&request);
    int failed = over_tls ? seal(&request, size, connection, sealed) : send_plain(&request, size, connection);
    Py_DECREF(request.name);
    return failed;
}

PyDoc_STRVAR(send_all_doc,
"send_all(made, head, names)\n--\n\n"
"See DirectTransport.send_all. `names`: the lines that name deliveries, by index; or what stands before and behind the\n"
"index in each of them. What is not encrypted is put together and written one by one: in C nothing is gained by\n"
"putting all together first.");

static PyObject *
send_all(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    PyObject *names = count == 3 ? given[2] : NULL;
    int in_two = names != NULL && PyTuple_CheckExact(names) && PyTuple_GET_SIZE(names) == 2
                 && PyBytes_Check(PyTuple_GET_ITEM(names, 0)) && PyBytes_Check(PyTuple_GET_ITEM(names, 1));
    if (names == NULL || !PyBytes_Check(given[1]) || !(in_two || PyDict_Check(names))) {
        PyErr_SetString(PyExc_TypeError, "send_all: wrong arguments");
        return NULL;
    }
    PyObject *all = PyObject_GetIter(given[0]), *sealed = PyList_New(0), *one;
    int failed = all == NULL || sealed == NULL;
    while (!failed && (one = PyIter_Next(all)) != NULL) {
        failed = send_one(one, given[1], given[2], sealed);
        Py_DECREF(one);
    }
    failed = failed || PyErr_Occurred() || send_sealed(sealed);
    Py_XDECREF(all);
    Py_XDECREF(sealed);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

/* -- outcome rows ------------------------------------------------------------------------------------------------- */

#define COLUMNS 14 /* measure/outcome_columns.py */

/* A number of the carrier of an event, which may be any object. */
static int
number_from(PyObject *carrier, int member, int64_t *number)
{
    if (Py_IS_TYPE(carrier, kinds[CONNECTION]))
        *number = number_of(carrier, member);
    else {
        PyObject *value = PyObject_GetAttrString(carrier, members[member].name);
        *number = value == NULL ? -1 : to_number(value);
        Py_XDECREF(value);
    }
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

/* The row of an event (see `is_event`). `rest`: code, done, attempt. */
static PyObject *
row(PyObject *carrier, PyObject *event, const int64_t rest[3])
{
    static const struct { int column, member; } carried[] = {
        {5, SLOT_NS}, {6, SENT_NS}, {7, FIRST_NS}, {9, BYTES_SENT}, {10, BYTES_RECEIVED}, {12, RECEIPT_NS},
        {13, READY_NS},
    };
    int64_t numbers[COLUMNS];
    numbers[0] = to_number(PyTuple_GET_ITEM(event, 0));
    numbers[1] = to_number(PyTuple_GET_ITEM(event, 1));
    numbers[2] = rest[0];
    numbers[3] = to_number(PyTuple_GET_ITEM(event, 2));
    numbers[4] = to_number(PyTuple_GET_ITEM(event, 3));
    numbers[8] = rest[1];
    numbers[11] = rest[2];
    for (size_t i = 0; i < Py_ARRAY_LENGTH(carried); i++)
        if (number_from(carrier, carried[i].member, &numbers[carried[i].column]))
            return NULL;
    return PyErr_Occurred() ? NULL : PyBytes_FromStringAndSize((const char *)numbers, sizeof numbers);
}

static int
is_event(PyObject *event)
{
    return event != NULL && PyTuple_Check(event) && PyTuple_GET_SIZE(event) == 4;
}

PyDoc_STRVAR(row_of_doc, "row_of(carrier, event, code, done, attempt=1)\n--\n\nSee outcome_rows.row_of.");

static PyObject *
row_of(PyObject *module, PyObject *const *given, Py_ssize_t count, PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (count < 4 || count + named > 5 || !is_event(given[1])
        || (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "attempt"))) {
        PyErr_SetString(PyExc_TypeError, "row_of: wrong arguments");
        return NULL;
    }
    int64_t rest[] = {to_number(given[2]), to_number(given[3]),
                      count + named == 5 ? to_number(given[4]) : 1};
    return row(given[0], given[1], rest);
}

/* -- what follows an answer --------------------------------------------------------------------------------------- */

/* What `settle` was called with, see Engine._settle. */
typedef struct {
    PyObject *rows, *ready, *policies, *of_user, *turns;
    long long reuse;
} Settling;

/* One answer. 1: it was settled; 0: it is not of the usual kind, and nothing was done. */
static int
settle_one(const Settling *all, PyObject *answer)
{
    if (!PyTuple_CheckExact(answer) || PyTuple_GET_SIZE(answer) != 3)
        return 0;
    PyObject *connection = PyTuple_GET_ITEM(answer, 0), *code = PyTuple_GET_ITEM(answer, 1), *event;
    if (!Py_IS_TYPE(connection, kinds[CONNECTION]) || !is_event(event = get(connection, EVENT))
        || get(connection, REUSABLE) != Py_True)
        return 0;
    int64_t rest[] = {to_number(code), to_number(PyTuple_GET_ITEM(answer, 2)), 1};
    long long stratum = to_number(PyTuple_GET_ITEM(event, 1)), served = number_of(connection, SERVED);
    if (PyErr_Occurred())
        return -1;
    if (rest[0] < 200 || rest[0] > 299 || served >= all->reuse || stratum < 0
        || stratum >= PyList_GET_SIZE(all->policies) || PyList_GET_ITEM(all->policies, stratum) != Py_None
        || stratum >= PyList_GET_SIZE(all->of_user) || PyList_GET_ITEM(all->of_user, stratum) != Py_True)
        return 0;
    PyObject *now = PyTuple_GET_ITEM(answer, 2), *own = PyIter_Next(all->turns), *next = NULL, *line = NULL;
    if (own == NULL)
        return PyErr_Occurred() ? -1 : 0;
    int settled = -1;
    if (!PyTuple_Check(own) || PyTuple_GET_SIZE(own) != 2) {
        PyErr_SetString(PyExc_TypeError, "a turn is (index, stratum)");
        goto end;
    }
    next = PyTuple_Pack(4, PyTuple_GET_ITEM(own, 0), PyTuple_GET_ITEM(own, 1), now, now);
    line = next == NULL ? NULL : row(connection, event, rest);
    if (line == NULL || PyList_Append(all->rows, line) || PyList_Append(all->ready, connection))
        goto end;
    put(connection, SLOT_NS, Py_NewRef(now));
    put(connection, READY_NS, Py_NewRef(now));
    put(connection, EVENT, Py_NewRef(next));
    settled = 1;
end:
    Py_DECREF(own);
    Py_XDECREF(next);
    Py_XDECREF(line);
    return settled;
}

PyDoc_STRVAR(settle_doc,
"settle(answers, rows, ready, policies, of_user, turns, reuse)\n--\n\n"
"See Engine._settle: settle answers after which their user's next event follows on the same connection. Returns how\n"
"many, up to the first that is of another kind.");

static PyObject *
settle(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 7 || !PyList_CheckExact(given[0]) || !PyList_CheckExact(given[1]) || !PyList_CheckExact(given[2])
        || !PyList_CheckExact(given[3]) || !PyList_CheckExact(given[4]) || !PyIter_Check(given[5])) {
        PyErr_SetString(PyExc_TypeError, "settle: wrong arguments");
        return NULL;
    }
    Settling all = {given[1], given[2], given[3], given[4], given[5], to_number(given[6])};
    Py_ssize_t done = 0;
    int settled = PyErr_Occurred() ? -1 : 1;
    while (settled == 1 && done < PyList_GET_SIZE(given[0])) {
        settled = settle_one(&all, PyList_GET_ITEM(given[0], done));
        done += settled == 1;
    }
    return settled < 0 ? NULL : PyLong_FromSsize_t(done);
}

/* -- bodies ------------------------------------------------------------------------------------------------------- */

/* What `bodies` was called with. `picks`: the situations of a block by an index's last 12 bits; `known`: their
 * templates. `id` and `digits`: the beginning of the block's ids and the last three digits. `seconds`: the text of a
 * time by its offset, to which `fraction` belongs; `ms`: the present time. */
typedef struct {
    PyObject *picks, *known, *id, *digits, *seconds, *fraction, *ms;
    long long block;
} Bodies;

#define TIMES 16 /* The most times that a template may have here. */

/* The text of a time; a new reference. */
static PyObject *
time_of(const Bodies *all, PyObject *offset)
{
    PyObject *text = PyDict_GetItemWithError(all->seconds, offset);
    if (text != NULL)
        Py_INCREF(text);
    else if (!PyErr_Occurred())
        text = PyObject_GetItem(all->seconds, offset); /* it makes what is missing */
    if (text != NULL && !PyBytes_CheckExact(text)) {
        PyErr_SetString(PyExc_TypeError, "a time is bytes");
        Py_CLEAR(text);
    }
    return text;
}

/* A body as Renderer.render makes it: pieces with the present time, the id and other times between them. */
static PyObject *
rendered(const Bodies *all, PyObject *template, Py_ssize_t times, PyObject *last)
{
    PyObject *texts[TIMES], *body = NULL;
    Py_ssize_t size = PyBytes_GET_SIZE(all->ms) + PyBytes_GET_SIZE(all->id) + PyBytes_GET_SIZE(last), made = 0;
    for (Py_ssize_t i = 0; i < times + 3; i++) {
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(template, i))) {
            PyErr_SetString(PyExc_TypeError, "a template begins with its pieces");
            return NULL;
        }
        size += PyBytes_GET_SIZE(PyTuple_GET_ITEM(template, i));
    }
    for (; made < times; made++) {
        texts[made] = time_of(all, PyTuple_GET_ITEM(template, times + 3 + made));
        if (texts[made] == NULL)
            goto end;
        size += PyBytes_GET_SIZE(texts[made]) + PyBytes_GET_SIZE(all->fraction);
    }
    body = PyBytes_FromStringAndSize(NULL, size);
    if (body == NULL)
        goto end;
    char *at = copied(PyBytes_AS_STRING(body), PyTuple_GET_ITEM(template, 0));
    at = copied(copied(at, all->ms), PyTuple_GET_ITEM(template, 1));
    at = copied(copied(at, all->id), last);
    for (Py_ssize_t i = 0; i < times; i++)
        at = copied(copied(copied(at, PyTuple_GET_ITEM(template, 2 + i)), texts[i]), all->fraction);
    copied(at, PyTuple_GET_ITEM(template, 2 + times));
end:
    while (made)
        Py_DECREF(texts[--made]);
    return body;
}

/* The body of an event; NULL without an exception where Python must make it. */
static PyObject *
body_of(const Bodies *all, PyObject *index)
{
    long long number = to_number(index), situation;
    if (number < 0 || number >> 12 != all->block)
        return NULL;
    Py_ssize_t offset = (Py_ssize_t)(number & 4095);
    if (offset >= PyList_GET_SIZE(all->picks) || offset >= PyTuple_GET_SIZE(all->digits))
        return NULL;
    situation = to_number(PyList_GET_ITEM(all->picks, offset));
    if (situation < 0 || situation >= PyList_GET_SIZE(all->known))
        return NULL;
    PyObject *template = PyList_GET_ITEM(all->known, situation), *last = PyTuple_GET_ITEM(all->digits, offset);
    if (!PyTuple_CheckExact(template) || !PyBytes_CheckExact(last))
        return NULL;
    Py_ssize_t size = PyTuple_GET_SIZE(template), times = (size - 3) / 2;
    if (size < 3 || (size - 3) % 2 || times > TIMES)
        return NULL;
    Py_INCREF(template);
    PyObject *body = rendered(all, template, times, last);
    Py_DECREF(template);
    return body;
}

PyDoc_STRVAR(bodies_doc,
"bodies(indexes, block, picks, known, id, digits, seconds, fraction, ms)\n--\n\n"
"See EventSource.bodies: the bodies of these events up to the first that Python must make.");

static PyObject *
bodies(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 9 || !PyList_CheckExact(given[2]) || !PyList_CheckExact(given[3]) || !PyBytes_CheckExact(given[4])
        || !PyTuple_CheckExact(given[5]) || !PyDict_Check(given[6]) || !PyBytes_CheckExact(given[7])
        || !PyBytes_CheckExact(given[8])) {
        PyErr_SetString(PyExc_TypeError, "bodies: wrong arguments");
        return NULL;
    }
    Bodies all = {given[2], given[3], given[4], given[5], given[6], given[7], given[8], to_number(given[1])};
    PyObject *indexes = PySequence_Fast(given[0], "bodies: indexes"), *found = PyList_New(0);
    int failed = indexes == NULL || found == NULL;
    for (Py_ssize_t i = 0; !failed && i < PySequence_Fast_GET_SIZE(indexes); i++) {
        PyObject *body = body_of(&all, PySequence_Fast_GET_ITEM(indexes, i));
        if (body == NULL)
            break;
        failed = PyList_Append(found, body);
        Py_DECREF(body);
    }
    Py_XDECREF(indexes);
    if (failed || PyErr_Occurred())
        Py_CLEAR(found);
    return found;
}

/* -- signatures --------------------------------------------------------------------------------------------------- */

/* OpenSSL's own SHA-256, from the library that hashlib has loaded. Its states are plain memory (SHA256_CTX, the same in
 * all its versions), so that copying the state of a key costs nothing; by way of hashlib's objects a copy costs as much
 * as hashing some hundred bytes, and a code needs four. */
typedef struct {
    uint32_t h[8], bits[2], block[16];
    unsigned int used, size;
} State;

static struct {
    int (*init)(State *);
    int (*update)(State *, const void *, size_t);
    int (*final)(unsigned char *, State *);
} sha;

PyDoc_STRVAR(find_sha256_doc,
"find_sha256()\n--\n\nWhether `sha256_state` and `lines` can be used: hashlib's OpenSSL is a library that can be reached.");

static PyObject *
find_sha256(PyObject *module, PyObject *ignored)
{
    static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1"};
    static const unsigned char known[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_NOLOAD);
        if (library == NULL)
            continue;
        *(void **)&sha.init = dlsym(library, "SHA256_Init");
        *(void **)&sha.update = dlsym(library, "SHA256_Update");
        *(void **)&sha.final = dlsym(library, "SHA256_Final");
        State state[2]; /* room for one that would be longer than it has ever been */
        unsigned char digest[32];
        if (sha.init != NULL && sha.update != NULL && sha.final != NULL && sha.init(state)
            && sha.update(state, "abc", 3) && sha.final(digest, state) && memcmp(digest, known, sizeof known) == 0)
            Py_RETURN_TRUE;
    }
    sha.init = NULL;
    Py_RETURN_FALSE;
}

static int
is_state(PyObject *bytes)
{
    return PyBytes_CheckExact(bytes) && PyBytes_GET_SIZE(bytes) == sizeof(State);
}

PyDoc_STRVAR(sha256_state_doc,
"sha256_state(data, before=b'')\n--\n\nThe state of a hash of `data`, behind what the state `before` has of it.");

static PyObject *
sha256_state(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    State state;
    if (count < 1 || count > 2 || sha.init == NULL || !PyBytes_Check(given[0]) || (count == 2 && !is_state(given[1]))) {
        PyErr_SetString(PyExc_TypeError, "sha256_state: wrong arguments");
        return NULL;
    }
    memset(&state, 0, sizeof state);
    if (count == 2)
        memcpy(&state, PyBytes_AS_STRING(given[1]), sizeof state);
    else
        sha.init(&state);
    sha.update(&state, PyBytes_AS_STRING(given[0]), (size_t)PyBytes_GET_SIZE(given[0]));
    return PyBytes_FromStringAndSize((const char *)&state, sizeof state);
}

/* `head`, the HMAC of `body` in hex, CRLF. */
static PyObject *
line_of(PyObject *body, const State *inner, const State *outer, PyObject *head)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32];
    State state = *inner;
    PyObject *line = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(head) + 2 * (Py_ssize_t)sizeof digest + 2);
    if (line == NULL)
        return NULL;
    sha.update(&state, PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body));
    sha.final(digest, &state);
    state = *outer;
    sha.update(&state, digest, sizeof digest);
    sha.final(digest, &state);
    char *at = copied(PyBytes_AS_STRING(line), head);
    for (size_t i = 0; i < sizeof digest; i++) {
        *at++ = hex[digest[i] >> 4];
        *at++ = hex[digest[i] & 15];
    }
    memcpy(at, "\r\n", 2);
    return line;
}

PyDoc_STRVAR(lines_doc, "lines(bodies, inner, outer, head)\n--\n\nSee MessageMac.lines; `inner`, `outer`: states.");

static PyObject *
lines(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 4 || sha.init == NULL || !PyList_CheckExact(given[0]) || !is_state(given[1]) || !is_state(given[2])
        || !PyBytes_CheckExact(given[3])) {
        PyErr_SetString(PyExc_TypeError, "lines: wrong arguments");
        return NULL;
    }
    State inner, outer;
    memcpy(&inner, PyBytes_AS_STRING(given[1]), sizeof inner);
    memcpy(&outer, PyBytes_AS_STRING(given[2]), sizeof outer);
    PyObject *found = PyList_New(PyList_GET_SIZE(given[0]));
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(found); i++) {
        PyObject *body = PyList_GET_ITEM(given[0], i), *line = NULL;
        if (!PyBytes_CheckExact(body))
            PyErr_SetString(PyExc_TypeError, "lines: a body is bytes");
        else
            line = line_of(body, &inner, &outer, given[3]);
        if (line == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, i, line);
    }
    return found;
}

/* -- the module --------------------------------------------------------------------------------------------------- */

static int
find(int member)
{
    PyObject *kind = (PyObject *)kinds[members[member].kind];
    PyObject *found = PyObject_GetAttrString(kind, members[member].name);
    if (found == NULL)
        return -1;
    PyMemberDef *place = Py_IS_TYPE(found, &PyMemberDescr_Type) ? ((PyMemberDescrObject *)found)->d_member : NULL;
    int usual = place != NULL && place->type == T_OBJECT_EX && place->flags == 0 && place->offset > 0;
    if (usual)
        offsets[member] = place->offset;
    else
        PyErr_Format(PyExc_TypeError, "%R has no slot %s", kind, members[member].name);
    Py_DECREF(found);
    return usual ? 0 : -1;
}

PyDoc_STRVAR(bind_doc,
"bind(connection, reader, memo, tls, ready)\n--\n\n"
"The types whose members are reached, and the state of a connection that carries events. To be called once, before\n"
"anything else. Raises TypeError where a type is not as expected.");

static PyObject *
bind_types(PyObject *module, PyObject *given)
{
    PyTypeObject *types[KINDS];
    long ready;
    if (!PyArg_ParseTuple(given, "O!O!O!O!l", &PyType_Type, &types[CONNECTION], &PyType_Type, &types[READER],
                          &PyType_Type, &types[MEMO], &PyType_Type, &types[TLS], &ready))
        return NULL;
    for (int kind = 0; kind < KINDS; kind++)
        Py_XSETREF(kinds[kind], (PyTypeObject *)Py_NewRef((PyObject *)types[kind]));
    for (int member = 0; member < MEMBERS; member++)
        if (find(member))
            return NULL;
    ready_state = ready;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"bind", bind_types, METH_VARARGS, bind_doc},
    {"read_all", (PyCFunction)(void (*)(void))read_all, METH_FASTCALL, read_all_doc},
    {"send_all", (PyCFunction)(void (*)(void))send_all, METH_FASTCALL, send_all_doc},
    {"settle", (PyCFunction)(void (*)(void))settle, METH_FASTCALL, settle_doc},
    {"bodies", (PyCFunction)(void (*)(void))bodies, METH_FASTCALL, bodies_doc},
    {"find_sha256", find_sha256, METH_NOARGS, find_sha256_doc},
    {"sha256_state", (PyCFunction)(void (*)(void))sha256_state, METH_FASTCALL, sha256_state_doc},
    {"lines", (PyCFunction)(void (*)(void))lines, METH_FASTCALL, lines_doc},
    {"row_of", (PyCFunction)(void (*)(void))row_of, METH_FASTCALL | METH_KEYWORDS, row_of_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "loadsim._hot", "The compiled step of the hot path.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__hot(void)
{
    if ((zero = PyLong_FromLong(0)) == NULL)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddIntConstant(module, "CONTRACT", CONTRACT))
        Py_CLEAR(module);
    return module;
}
