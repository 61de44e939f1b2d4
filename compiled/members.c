/* The members of Python objects that are reached by their offsets, and calls of Python. */

#include "hot.h"

#include <dlfcn.h>
#include <structmember.h>

PyTypeObject *kinds[KINDS];
Py_ssize_t offsets[MEMBERS];
long long constants[CONSTANTS];
PyObject *zero;
static int bound;
const Member members[MEMBERS] = {
    [STATE] = {CONNECTION, "state"}, [FD] = {CONNECTION, "fd"}, [EVENT] = {CONNECTION, "event"},
    [READER_OF] = {CONNECTION, "reader"}, [TLS_OF] = {CONNECTION, "_tls"}, [PENDING] = {CONNECTION, "pending"},
    [OVERHEAD] = {CONNECTION, "overhead"}, [SERVED] = {CONNECTION, "served"}, [SLOT_NS] = {CONNECTION, "slot_ns"},
    [READY_NS] = {CONNECTION, "ready_ns"}, [SENT_NS] = {CONNECTION, "sent_ns"}, [FIRST_NS] = {CONNECTION, "first_ns"},
    [RECEIPT_NS] = {CONNECTION, "receipt_ns"}, [BYTES_SENT] = {CONNECTION, "bytes_sent"},
    [BYTES_RECEIVED] = {CONNECTION, "bytes_received"}, [REUSABLE] = {CONNECTION, "reusable"}, [RAW] = {READER, "raw"}, [STARTED] = {READER, "started"},
    [DATA] = {MEMO, "data"}, [STATUS] = {MEMO, "status"}, [PUT] = {TLS, "_put"}, [DECRYPT] = {TLS, "_decrypt"},
    [ENCRYPT] = {TLS, "_encrypt"}, [TAKE] = {TLS, "take"}, [ARRIVED] = {TLS, "_arrived"},
    [ARRIVALS_OF] = {ENGINE, "_arrivals"}, [POOL_OF] = {ENGINE, "_pool"}, [PAUSES_OF] = {ENGINE, "_pauses"},
    [MAKING_OF] = {ENGINE, "_requests"}, [RECORDER_OF] = {ENGINE, "recorder"}, [IDLE] = {ENGINE, "_idle"},
    [TAKE_IDLE] = {ENGINE, "_take_idle"}, [QUEUE] = {ENGINE, "_queue"}, [POLICIES] = {ENGINE, "_policy_of"},
    [OF_USER] = {ENGINE, "_of_user"}, [REUSE] = {ENGINE, "_reuse"}, [TIMEOUT_NS] = {ENGINE, "_timeout_ns"},
    [IN_TIME_UNTIL] = {ENGINE, "_in_time_until"}, [READY] = {ENGINE, "_ready"}, [ARM] = {ENGINE, "_arm"},
    [OUTSTANDING] = {ENGINE, "_outstanding"}, [TICKED_NS] = {ENGINE, "looked_ns"}, [CLOSED] = {ARRIVALS, "closed"}, [STOPPED_NS] = {ARRIVALS, "stopped_ns"},
    [PHASE_END] = {ARRIVALS, "_phase_end"}, [WAKE_NS] = {ARRIVALS, "_wake_ns"}, [BLOCK] = {ARRIVALS, "_block"},
    [POSITION] = {ARRIVALS, "_position"}, [START_NS] = {ARRIVALS, "start_ns"}, [PLANNED] = {ARRIVALS, "_planned"},
    [TURNS] = {ARRIVALS, "_turns"}, [USERS] = {ARRIVALS, "_users"}, [USERS_WANTED] = {ARRIVALS, "_users_wanted"},
    [LIMIT] = {POOL, "limit"}, [OPEN_COUNT] = {POOL, "open_count"}, [SATURATED_SINCE] = {POOL, "_saturated_since"},
    [ON_EMPTY] = {POOL, "on_empty"}, [GATHERER] = {POOL, "_gatherer"}, [LIMIT_NS] = {PAUSES, "limit_ns"},
    [BEATEN_NS] = {PAUSES, "beaten_ns"}, [RECOVERING] = {PAUSES, "recovering"}, [UNTIMED] = {MAKING, "_untimed"},
    [TIMED_NS] = {MAKING, "_timed_ns"}, [WALL_OFFSET] = {MAKING, "wall_offset"}, [RECIPES_OF] = {MAKING, "_recipes"},
    [SEND_EVENTS] = {MAKING, "_send_events"}, [RECIPES_MS] = {RECIPES, "_ms"}, [ROWS] = {RECORDER, "rows"},
    [FOLDING] = {RECORDER, "_folding"}, [SIGNS] = {RECORDER, "signs"}, [TABLE] = {TRANSPORT, "_table"},
    [POLL] = {TRANSPORT, "_poll"},
    [ANSWERS] = {TRANSPORT, "answers"}, [DRAINING] = {TRANSPORT, "_draining"}, [LOOKED_NS] = {TRANSPORT, "_looked_ns"},
    [SOME] = {TRANSPORT, "_some"}, [OWNER] = {TRANSPORT, "owner"}, [GRAVEYARD] = {TRANSPORT, "_graveyard"},
    [MEMO_OF] = {TRANSPORT, "memo"}, [VARIED] = {TRANSPORT, "_varied"},
};

int
called(PyObject *done)
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
    "bind(types, numbers)\n--\n\n"
    "The types whose members are reached, and the numbers that both sides need, in the order of hot.h. To be called once,\n"
    "before anything else. Raises TypeError where a type is not as expected.";

PyObject *
bind_types(PyObject *module, PyObject *given)
{
    PyObject *types, *numbers;
    if (!PyArg_ParseTuple(given, "O!O!", &PyTuple_Type, &types, &PyTuple_Type, &numbers))
        return NULL;
    if (PyTuple_GET_SIZE(types) != KINDS || PyTuple_GET_SIZE(numbers) != CONSTANTS) {
        PyErr_SetString(PyExc_TypeError, "bind: other types or numbers are expected");
        return NULL;
    }
    for (int i = 0; i < CONSTANTS; i++)
        constants[i] = to_number(PyTuple_GET_ITEM(numbers, i));
    if (PyErr_Occurred())
        return NULL;
    if (constants[SMALL] < 1 || constants[CHUNK_SIZE] < constants[SMALL] || constants[CHUNK_SIZE] > CHUNK) {
        PyErr_SetString(PyExc_ValueError, "bind: sizes of reads");
        return NULL;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        PyObject *type = PyTuple_GET_ITEM(types, kind);
        if (!PyType_Check(type)) {
            PyErr_SetString(PyExc_TypeError, "bind: types are expected");
            return NULL;
        }
        Py_XSETREF(kinds[kind], (PyTypeObject *)Py_NewRef(type));
    }
    for (int member = 0; member < MEMBERS; member++)
        if (find(member))
            return NULL;
    bound = 1;
    Py_RETURN_NONE;
}

const char is_bound_doc[] = "is_bound()\n--\n\nWhether `bind` was called.";

PyObject *
is_bound(PyObject *module, PyObject *ignored)
{
    return PyBool_FromLong(bound);
}
