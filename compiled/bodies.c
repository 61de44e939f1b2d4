/* The bodies of events. */

#include "hot.h"

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

/* Begin the body of an event as Renderer.render makes it: pieces with the present time, the id and other times between
 * them. 1; 0 where Python must make it; -1 with an exception. */
int
begin_body(const Bodies *all, long long index, Body *body)
{
    body->times = 0;
    Py_ssize_t offset = (Py_ssize_t)(index & 4095);
    if (index < 0 || index >> 12 != all->block || offset >= PyList_GET_SIZE(all->picks)
        || offset >= PyTuple_GET_SIZE(all->digits))
        return 0;
    long long situation = to_number(PyList_GET_ITEM(all->picks, offset));
    if (situation < 0 || situation >= PyList_GET_SIZE(all->known))
        return PyErr_Occurred() ? -1 : 0;
    PyObject *template = PyList_GET_ITEM(all->known, situation);
    body->last = PyTuple_GET_ITEM(all->digits, offset);
    if (!PyTuple_CheckExact(template) || !PyBytes_CheckExact(body->last))
        return 0;
    Py_ssize_t parts = PyTuple_GET_SIZE(template), times = (parts - 3) / 2;
    if (parts < 3 || (parts - 3) % 2 || times > TIMES)
        return 0;
    body->size = PyBytes_GET_SIZE(all->ms) + PyBytes_GET_SIZE(all->id) + PyBytes_GET_SIZE(body->last);
    for (Py_ssize_t i = 0; i < times + 3; i++) {
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(template, i))) {
            PyErr_SetString(PyExc_TypeError, "a template begins with its pieces");
            return -1;
        }
        body->size += PyBytes_GET_SIZE(PyTuple_GET_ITEM(template, i));
    }
    body->template = Py_NewRef(template);
    for (; body->times < times; body->times++) {
        PyObject *text = time_of(all, PyTuple_GET_ITEM(template, times + 3 + body->times));
        if (text == NULL) {
            end_body(body);
            return -1;
        }
        body->texts[body->times] = text;
        body->size += PyBytes_GET_SIZE(text) + PyBytes_GET_SIZE(all->fraction);
    }
    return 1;
}

/* Write a body that was begun. */
void
write_body(const Bodies *all, const Body *body, char *at)
{
    at = copied(copied(copied(at, PyTuple_GET_ITEM(body->template, 0)), all->ms), PyTuple_GET_ITEM(body->template, 1));
    at = copied(copied(at, all->id), body->last);
    for (Py_ssize_t i = 0; i < body->times; i++)
        at = copied(copied(copied(at, PyTuple_GET_ITEM(body->template, 2 + i)), body->texts[i]), all->fraction);
    copied(at, PyTuple_GET_ITEM(body->template, 2 + body->times));
}

/* Let go of what a body that was begun is made of. */
void
end_body(Body *body)
{
    while (body->times)
        Py_DECREF(body->texts[--body->times]);
    Py_CLEAR(body->template);
}

/* What bodies are made of: `given` as `bodies` has it, from the block on. */
int
bodies_from(PyObject *const given[BODY_PARTS], Bodies *all)
{
    if (!PyLong_Check(given[0]) || !PyList_CheckExact(given[1]) || !PyList_CheckExact(given[2])
        || !PyBytes_CheckExact(given[3]) || !PyTuple_CheckExact(given[4]) || !PyDict_Check(given[5])
        || !PyBytes_CheckExact(given[6]) || !PyBytes_CheckExact(given[7])) {
        PyErr_SetString(PyExc_TypeError, "wrong parts of bodies");
        return -1;
    }
    *all = (Bodies){given[1], given[2], given[3], given[4], given[5], given[6], given[7], to_number(given[0])};
    return PyErr_Occurred() ? -1 : 0;
}

const char bodies_doc[] =
    "bodies(indexes, block, picks, known, id, digits, seconds, fraction, ms)\n--\n\n"
    "See EventSource.bodies: the bodies of these events up to the first that Python must make.";

PyObject *
bodies(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    Bodies all;
    if (count != 1 + BODY_PARTS) {
        PyErr_SetString(PyExc_TypeError, "bodies: wrong arguments");
        return NULL;
    }
    if (bodies_from(given + 1, &all))
        return NULL;
    PyObject *indexes = PySequence_Fast(given[0], "bodies: indexes"), *found = PyList_New(0);
    int failed = indexes == NULL || found == NULL, made = 1;
    for (Py_ssize_t i = 0; !failed && made == 1 && i < PySequence_Fast_GET_SIZE(indexes); i++) {
        Body body;
        made = begin_body(&all, to_number(PySequence_Fast_GET_ITEM(indexes, i)), &body);
        if (made != 1)
            break;
        PyObject *text = PyBytes_FromStringAndSize(NULL, body.size);
        if (text != NULL)
            write_body(&all, &body, PyBytes_AS_STRING(text));
        end_body(&body);
        failed = text == NULL || PyList_Append(found, text);
        Py_XDECREF(text);
    }
    Py_XDECREF(indexes);
    if (failed || PyErr_Occurred())
        Py_CLEAR(found);
    return found;
}
