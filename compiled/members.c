/* The members of Python objects that are reached by their offsets, and calls of Python. */

#include "hot.h"

#include <dlfcn.h>
#include <structmember.h>

PyTypeObject *kinds[KINDS];
Py_ssize_t offsets[MEMBERS];
long ready_state;
PyObject *zero;
const Member members[MEMBERS] = {
    [STATE] = {CONNECTION, "state"}, [FD] = {CONNECTION, "fd"}, [EVENT] = {CONNECTION, "event"},
    [READER_OF] = {CONNECTION, "reader"}, [TLS_OF] = {CONNECTION, "_tls"}, [PENDING] = {CONNECTION, "pending"},
    [OVERHEAD] = {CONNECTION, "overhead"}, [SERVED] = {CONNECTION, "served"}, [SLOT_NS] = {CONNECTION, "slot_ns"},
    [READY_NS] = {CONNECTION, "ready_ns"}, [SENT_NS] = {CONNECTION, "sent_ns"}, [FIRST_NS] = {CONNECTION, "first_ns"},
    [RECEIPT_NS] = {CONNECTION, "receipt_ns"}, [BYTES_SENT] = {CONNECTION, "bytes_sent"},
    [BYTES_RECEIVED] = {CONNECTION, "bytes_received"}, [REUSABLE] = {CONNECTION, "reusable"}, [RAW] = {READER, "raw"}, [STARTED] = {READER, "started"},
    [DATA] = {MEMO, "data"}, [STATUS] = {MEMO, "status"}, [PUT] = {TLS, "_put"}, [DECRYPT] = {TLS, "_decrypt"},
    [ENCRYPT] = {TLS, "_encrypt"}, [TAKE] = {TLS, "take"}, [ARRIVED] = {TLS, "_arrived"},
};

int
told(PyObject *done)
{
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

PyObject *
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

int
hand_over(PyObject *call, PyObject *connection)
{
    PyObject *error = caught();
    int failed = told(PyObject_CallFunctionObjArgs(call, connection, error, NULL));
    Py_DECREF(error);
    return failed;
}

void *
library_behind(const char *name)
{
    PyObject *module = PyImport_ImportModule(name);
    PyObject *file = module == NULL ? NULL : PyObject_GetAttrString(module, "__file__");
    const char *path = file == NULL ? NULL : PyUnicode_AsUTF8(file);
    void *library = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    PyErr_Clear();
    Py_XDECREF(file);
    Py_XDECREF(module);
    return library;
}

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

const char bind_doc[] =
    "bind(connection, reader, memo, tls, ready)\n--\n\n"
    "The types whose members are reached, and the state of a connection that carries events. To be called once, before\n"
    "anything else. Raises TypeError where a type is not as expected.";

PyObject *
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
