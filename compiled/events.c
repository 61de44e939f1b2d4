/* Making the requests of events where they are written from: no body, line or list of them is an object. */

#include "hot.h"

#define SIGNED_PARTS 3

/* How the requests of one stratum are made, see genuine_requests.Recipe. */
typedef struct {
    Bodies bodies;
    PyObject *inner, *outer, *before;
} Recipe;

/* What `send_events` was called with. `before`, `behind`: what stands on either side of the index in the line that names a
 * delivery. `used`: the one that is in `recipe`, held; or NULL. */
typedef struct {
    PyObject *recipes, *head, *before, *behind, *used;
    Recipe recipe;
} Sending;

/* Have the recipe of a stratum at hand: 1; 0 where there is none. */
static int
recipe_of(Sending *all, PyObject *stratum)
{
    PyObject *found = PyDict_GetItemWithError(all->recipes, stratum);
    if (found != NULL)
        Py_INCREF(found);
    else if (PyErr_Occurred() || (found = PyObject_GetItem(all->recipes, stratum)) == NULL) /* it makes what is missing */
        return -1;
    int again = found == all->used;
    Py_XSETREF(all->used, found);
    if (again || found == Py_None)
        return found != Py_None;
    if (!PyTuple_CheckExact(found) || PyTuple_GET_SIZE(found) != BODY_PARTS + SIGNED_PARTS) {
        PyErr_SetString(PyExc_TypeError, "a recipe is what bodies and lines are made of");
        return -1;
    }
    PyObject **parts = &PyTuple_GET_ITEM(found, 0);
    all->recipe.inner = parts[BODY_PARTS];
    all->recipe.outer = parts[BODY_PARTS + 1];
    all->recipe.before = parts[BODY_PARTS + 2];
    if (!is_key(all->recipe.inner, all->recipe.outer) || !PyBytes_CheckExact(all->recipe.before)) {
        PyErr_SetString(PyExc_TypeError, "a recipe ends with what lines are made of");
        return -1;
    }
    return bodies_from(parts, &all->recipe.bodies) ? -1 : 1;
}

/* Put the request of an event together: its size; 0 where Python must make it. */
static Py_ssize_t
made(Sending *all, PyObject *event, char room[ROOM])
{
    Body body;
    char number[24], framing[FRAMING];
    int known = recipe_of(all, PyTuple_GET_ITEM(event, 1));
    if (known != 1)
        return known;
    const Recipe *recipe = &all->recipe;
    long long index = to_number(PyTuple_GET_ITEM(event, 0));
    int begun = begin_body(&recipe->bodies, index, &body);
    if (begun != 1)
        return begun;
    size_t digits = (size_t)(decimal(number, (unsigned long long)index) - number), framed = framing_of(framing, body.size);
    Py_ssize_t size = PyBytes_GET_SIZE(all->head) + line_size(recipe->before) + PyBytes_GET_SIZE(all->before)
                      + (Py_ssize_t)(digits + framed) + PyBytes_GET_SIZE(all->behind) + body.size;
    if (size <= ROOM) {
        char *text = room + size - body.size;
        write_body(&recipe->bodies, &body, text);
        char *line = copied(room, all->head);
        write_line(line, text, body.size, recipe->inner, recipe->outer, recipe->before);
        char *at = copied(line + line_size(recipe->before), all->before);
        memcpy(at, number, digits);
        memcpy(copied(at + digits, all->behind), framing, framed);
    }
    end_body(&body);
    return size <= ROOM ? size : 0;
}

/* Whether it is (Recorder.signs, since when an event is made). */
static int
is_timing(PyObject *timing)
{
    return PyTuple_CheckExact(timing) && PyTuple_GET_SIZE(timing) == 2 && PyList_CheckExact(PyTuple_GET_ITEM(timing, 0));
}

/* Note how long an event took to make. */
static int
note_making(PyObject *timing, PyObject *event)
{
    PyObject *signs = PyTuple_GET_ITEM(timing, 0);
    long long since = to_number(PyTuple_GET_ITEM(timing, 1));
    PyObject *number = PyErr_Occurred() ? NULL : PyLong_FromLongLong(clock_ns() - since);
    int failed = number == NULL || PyList_Append(signs, PyTuple_GET_ITEM(event, 1))
                 || PyList_Append(signs, PyTuple_GET_ITEM(event, 2)) || PyList_Append(signs, number);
    Py_XDECREF(number);
    return failed;
}

const char send_events_doc[] =
    "send_events(head, names, connections, first, recipes, timing)\n--\n\n"
    "Make and write the requests of the events of these connections, from the `first` on. Returns how many, up to one\n"
    "that Python must make. `names`: what stands before and behind the index in the line that names a delivery. `timing`:\n"
    "where the first event is timed, what gets (stratum, due, ns) if it is made here, and since when it is made; or None.";

PyObject *
send_events(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 6 || !PyBytes_CheckExact(given[0]) || !is_around(given[1]) || !PyList_CheckExact(given[2])
        || !PyDict_Check(given[4]) || !(given[5] == Py_None || is_timing(given[5]))) {
        PyErr_SetString(PyExc_TypeError, "send_events: wrong arguments");
        return NULL;
    }
    Sending all = {.recipes = given[4], .head = given[0], .before = PyTuple_GET_ITEM(given[1], 0),
                   .behind = PyTuple_GET_ITEM(given[1], 1), .used = NULL};
    Py_ssize_t first = PyLong_AsSsize_t(given[3]), at = first;
    if (first < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "send_events: first");
        return NULL;
    }
    for (; at < PyList_GET_SIZE(given[2]); at++) {
        char room[ROOM];
        PyObject *connection = PyList_GET_ITEM(given[2], at);
        int over_tls = usable(connection);
        PyObject *event = over_tls < 0 ? NULL : get(connection, EVENT);
        if (event == NULL || !is_event(event))
            break;
        Py_INCREF(connection);
        Py_INCREF(event);
        Py_ssize_t size = made(&all, event, room);
        int failed = size > 0 && ((at == first && given[5] != Py_None && note_making(given[5], event))
                                  || send_request(connection, over_tls, room, size));
        Py_DECREF(event);
        Py_DECREF(connection);
        if (size < 0 && PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear(); /* Python makes it, and sees what is wrong */
        if (failed || size <= 0)
            break;
    }
    Py_XDECREF(all.used);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(at - first);
}
