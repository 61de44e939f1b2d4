#include "hot.h"

#define CONTRACT 7 /* Of this module with its callers, see compiled_step.py. */

static PyMethodDef methods[] = {
    {"bind", bind_types, METH_VARARGS, bind_doc},
    {"is_bound", is_bound, METH_NOARGS, is_bound_doc},
    {"drain", drain, METH_O, drain_doc},
    {"send_all", (PyCFunction)(void (*)(void))send_all, METH_FASTCALL, send_all_doc},
    {"send_events", (PyCFunction)(void (*)(void))send_events, METH_FASTCALL, send_events_doc},
    {"wake", (PyCFunction)(void (*)(void))wake, METH_FASTCALL, wake_doc},
    {"arm", (PyCFunction)(void (*)(void))arm, METH_FASTCALL, arm_doc},
    {"bodies", (PyCFunction)(void (*)(void))bodies, METH_FASTCALL, bodies_doc},
    {"find_sha256", find_sha256, METH_NOARGS, find_sha256_doc},
    {"sha256_state", (PyCFunction)(void (*)(void))sha256_state, METH_FASTCALL, sha256_state_doc},
    {"read_head", (PyCFunction)(void (*)(void))read_head, METH_FASTCALL, read_head_doc},
    {"code", (PyCFunction)(void (*)(void))code, METH_FASTCALL, code_doc},
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
