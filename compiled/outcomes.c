/* Outcome rows, and what follows an answer. */

#include "hot.h"

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

const char row_of_doc[] = "row_of(carrier, event, code, done, attempt=1)\n--\n\nSee outcome_rows.row_of.";

PyObject *
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

/* What `settle` was called with, see Engine._settle. `idle`: where connections go that no event follows on; NULL where
 * more is to be done with them. */
typedef struct {
    PyObject *rows, *ready, *policies, *of_user, *turns, *idle;
    long long reuse;
} Settling;

/* The next event of a user whose event was answered at `now`; NULL without an exception where Python must look for it. */
static PyObject *
turn_of(const Settling *all, PyObject *now)
{
    PyObject *own = PyIter_Next(all->turns), *next = NULL;
    if (own == NULL)
        return NULL;
    if (PyTuple_Check(own) && PyTuple_GET_SIZE(own) == 2)
        next = PyTuple_Pack(4, PyTuple_GET_ITEM(own, 0), PyTuple_GET_ITEM(own, 1), now, now);
    else
        PyErr_SetString(PyExc_TypeError, "a turn is (index, stratum)");
    Py_DECREF(own);
    return next;
}

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
        || stratum >= PyList_GET_SIZE(all->of_user))
        return 0;
    int of_user = PyList_GET_ITEM(all->of_user, stratum) == Py_True;
    if (!of_user && all->idle == NULL)
        return 0;
    PyObject *now = PyTuple_GET_ITEM(answer, 2), *next = of_user ? turn_of(all, now) : Py_NewRef(Py_None);
    if (next == NULL)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *line = row(connection, event, rest);
    int settled = -1;
    if (line == NULL || PyList_Append(all->rows, line)
        || (of_user ? PyList_Append(all->ready, connection) : PyDict_SetItem(all->idle, connection, Py_None)))
        goto end;
    if (of_user) {
        put(connection, SLOT_NS, Py_NewRef(now));
        put(connection, READY_NS, Py_NewRef(now));
    }
    put(connection, EVENT, Py_NewRef(next));
    settled = 1;
end:
    Py_DECREF(next);
    Py_XDECREF(line);
    return settled;
}

const char settle_doc[] =
    "settle(answers, rows, ready, policies, of_user, turns, reuse, idle)\n--\n\n"
    "See Engine._settle: settle answers after which their user's next event follows on the same connection, or it becomes\n"
    "`idle`, unless that is None. Returns how many, up to the first that is of another kind.";

PyObject *
settle(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 8 || !PyList_CheckExact(given[0]) || !PyList_CheckExact(given[1]) || !PyList_CheckExact(given[2])
        || !PyList_CheckExact(given[3]) || !PyList_CheckExact(given[4]) || !PyIter_Check(given[5])
        || !(given[7] == Py_None || PyDict_CheckExact(given[7]))) {
        PyErr_SetString(PyExc_TypeError, "settle: wrong arguments");
        return NULL;
    }
    Settling all = {given[1], given[2], given[3], given[4], given[5], given[7] == Py_None ? NULL : given[7],
                    to_number(given[6])};
    Py_ssize_t done = 0;
    int settled = PyErr_Occurred() ? -1 : 1;
    while (settled == 1 && done < PyList_GET_SIZE(given[0])) {
        settled = settle_one(&all, PyList_GET_ITEM(given[0], done));
        done += settled == 1;
    }
    return settled < 0 ? NULL : PyLong_FromSsize_t(done);
}
