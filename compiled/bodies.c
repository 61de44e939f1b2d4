/* The bodies of events. */

#include "hot.h"

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

const char bodies_doc[] =
    "bodies(indexes, block, picks, known, id, digits, seconds, fraction, ms)\n--\n\n"
    "See EventSource.bodies: the bodies of these events up to the first that Python must make.";

PyObject *
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
