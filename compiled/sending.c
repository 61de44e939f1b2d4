/* Making requests of their parts, and writing them. */

#include "hot.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The parts of one request. The line that names its delivery: `name`, and, where it is made here, the index in digits and
 * `behind`. `framing`: the header line with the body's length, and the empty line. */
typedef struct {
    PyObject *head, *headers, *name, *behind, *body;
    char number[24], framing[FRAMING];
    size_t numbered, framed;
} Request;

/* Write a number in decimal digits; returns where they end. */
char *
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

/* Write the header line with the length of a body, and the empty line; returns their size. */
size_t
framing_of(char framing[FRAMING], Py_ssize_t size)
{
    static const char line[] = "Content-Length: ";
    memcpy(framing, line, sizeof line - 1);
    char *at = decimal(framing + sizeof line - 1, (unsigned long long)size);
    memcpy(at, "\r\n\r\n", 4);
    return (size_t)(at + 4 - framing);
}

/* Fill in what is made here; returns the size of the whole. */
static Py_ssize_t
framed(Request *request)
{
    Py_ssize_t size = PyBytes_GET_SIZE(request->body);
    request->framed = framing_of(request->framing, size);
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
        return called(PyObject_CallMethod(connection, "partly_sent", "y#n", data, size, sent < 0 ? 0 : sent));
    PyErr_SetFromErrno(PyExc_OSError);
    PyObject *error = caught();
    int failed = called(PyObject_CallMethod(connection, "unsent", "O", error));
    Py_DECREF(error);
    return failed;
}

/* Write a request of `size` in its records. */
static int
write_records(PyObject *connection, const char *records, Py_ssize_t length, Py_ssize_t size)
{
    long long over = length - size;
    return put_number(connection, OVERHEAD, over) || write_first(connection, records, length, over) ? -1 : 0;
}

/* Encrypt a request as TlsSession.seal does, and write it. Where the session has ended the connection hears of it, and
 * nothing is written. */
static int
seal_by_session(PyObject *connection, const char *plain, Py_ssize_t size)
{
    PyObject *tls = Py_NewRef(get(connection, TLS_OF)), *records = NULL, *done = NULL;
    PyObject *data = PyBytes_FromStringAndSize(plain, size);
    int failed = -1;
    if (data == NULL)
        goto end;
    done = PyObject_CallOneArg(get(tls, ENCRYPT), data);
    if (done != NULL)
        records = PyLong_AsSsize_t(done) == size ? PyObject_CallNoArgs(get(tls, TAKE))
                                                 : PyObject_CallMethod(tls, "seal_rest", "OO", data, done);
    if (records == NULL) {
        if (PyErr_ExceptionMatches(PyExc_OSError)) { /* ssl.SSLError */
            PyObject *error = caught();
            failed = called(PyObject_CallMethod(connection, "unsealed", "O", error));
            Py_DECREF(error);
        }
        goto end;
    }
    if (!PyBytes_CheckExact(records)) {
        PyErr_SetString(PyExc_TypeError, "TLS gave no bytes");
        goto end;
    }
    failed = write_records(connection, PyBytes_AS_STRING(records), PyBytes_GET_SIZE(records), size);
end:
    Py_DECREF(tls);
    Py_XDECREF(data);
    Py_XDECREF(done);
    Py_XDECREF(records);
    return failed;
}

/* Write a request that was put together. */
int
send_request(PyObject *connection, int over_tls, const char *data, Py_ssize_t size)
{
    if (!over_tls)
        return write_first(connection, data, size, 0);
    char records[RECORD + 512]; /* and what a record adds */
    Py_ssize_t sealed = size > RECORD ? 0 : seal_record(get(connection, TLS_OF), data, size, records, sizeof records);
    if (sealed > 0)
        return write_records(connection, records, sealed, size);
    return sealed < 0 ? -1 : seal_by_session(connection, data, size);
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
send_one(PyObject *one, PyObject *head, PyObject *names)
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
    char room[ROOM], *data = size > ROOM ? PyMem_Malloc((size_t)size) : room;
    int failed = -1;
    if (data == NULL)
        PyErr_NoMemory();
    else {
        put_together(&request, data);
        failed = send_request(connection, over_tls, data, size);
    }
    if (data != room)
        PyMem_Free(data);
    Py_DECREF(request.name);
    return failed;
}

const char send_all_doc[] =
    "send_all(made, head, names)\n--\n\n"
    "See DirectTransport.send_all. `names`: the lines that name deliveries, by index; or what stands before and behind the\n"
    "index in each of them. Requests are put together and written one by one: in C nothing is gained by putting all\n"
    "together first.";

PyObject *
send_all(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 3 || !PyBytes_Check(given[1]) || !(is_around(given[2]) || PyDict_Check(given[2]))) {
        PyErr_SetString(PyExc_TypeError, "send_all: wrong arguments");
        return NULL;
    }
    PyObject *all = PyObject_GetIter(given[0]), *one;
    int failed = all == NULL;
    while (!failed && (one = PyIter_Next(all)) != NULL) {
        failed = send_one(one, given[1], given[2]);
        Py_DECREF(one);
    }
    Py_XDECREF(all);
    if (failed || PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}
