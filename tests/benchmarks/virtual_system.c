/* The system of a virtual shard (virtual_shard.py) for the compiled step: built together with `compiled/`, whose calls
 * to the system go to functions of Python here. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sys/socket.h>
#include <time.h>

static PyObject *clock_of, *receive, *receive_stamped, *write_all;

/* To be called once: read_clock() -> ns, recv(fd, size) -> bytes, recvmsg(fd, size) -> (bytes, stamps), send(fd, data) ->
 * size. */
void
virtual_system(PyObject *read_clock, PyObject *recv, PyObject *recvmsg, PyObject *send)
{
    clock_of = Py_NewRef(read_clock);
    receive = Py_NewRef(recv);
    receive_stamped = Py_NewRef(recvmsg);
    write_all = Py_NewRef(send);
}

/* Nothing in the virtual world fails; if it does, the process ends. */
static PyObject *
sure(PyObject *result)
{
    if (result == NULL) {
        PyErr_Print();
        abort();
    }
    return result;
}

int
virtual_clock_gettime(clockid_t which, struct timespec *now)
{
    PyObject *reading = sure(PyObject_CallNoArgs(clock_of));
    long long ns = PyLong_AsLongLong(reading);
    Py_DECREF(reading);
    now->tv_sec = ns / 1000000000;
    now->tv_nsec = ns % 1000000000;
    return 0;
}

ssize_t
virtual_recv(int fd, void *room, size_t size, int flags)
{
    PyObject *data = sure(PyObject_CallFunction(receive, "in", fd, (Py_ssize_t)size));
    ssize_t got = PyBytes_GET_SIZE(data);
    memcpy(room, PyBytes_AS_STRING(data), (size_t)got);
    Py_DECREF(data);
    return got;
}

ssize_t
virtual_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct iovec *room = message->msg_iov;
    PyObject *came = sure(PyObject_CallFunction(receive_stamped, "in", fd, (Py_ssize_t)room->iov_len));
    PyObject *data = PyTuple_GET_ITEM(came, 0), *stamps = PyTuple_GET_ITEM(came, 1);
    ssize_t got = PyBytes_GET_SIZE(data);
    memcpy(room->iov_base, PyBytes_AS_STRING(data), (size_t)got);
    struct cmsghdr *extra = CMSG_FIRSTHDR(message);
    extra->cmsg_level = SOL_SOCKET;
    extra->cmsg_type = SO_TIMESTAMPING;
    extra->cmsg_len = CMSG_LEN((size_t)PyBytes_GET_SIZE(stamps));
    memcpy(CMSG_DATA(extra), PyBytes_AS_STRING(stamps), (size_t)PyBytes_GET_SIZE(stamps));
    Py_DECREF(came);
    return got;
}

ssize_t
virtual_send(int fd, const void *data, size_t size, int flags)
{
    PyObject *sent = sure(PyObject_CallFunction(write_all, "iy#", fd, data, (Py_ssize_t)size));
    Py_DECREF(sent);
    return (ssize_t)size;
}
