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

/* What settling needs, see Engine._settle. `turns`: NULL where a user may end. `idle`: where connections go that no event
 * follows on; NULL where more is to be done with them. */
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
    if ((of_user ? all->turns : all->idle) == NULL)
        return 0;
    PyObject *now = PyTuple_GET_ITEM(answer, 2), *next = of_user ? turn_of(all, now) : Py_NewRef(Py_None);
    if (next == NULL)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *line = row(connection, event, rest);
    int settled = -1;
    if (line == NULL || PyList_Append(all->rows, line)
        || (of_user ? PyList_Append(all->ready, connection) : PyDict_SetItem(all->idle, connection, Py_None)))
        goto end;
    if (of_user)
        give(connection, next, now);
    else
        put(connection, EVENT, Py_NewRef(next));
    settled = 1;
end:
    Py_DECREF(next);
    Py_XDECREF(line);
    return settled;
}

/* Whether a connection that is free now becomes idle, and nothing else comes of it: ConnectionPool.at_rest. */
static int
at_rest(PyObject *pool)
{
    return number_of(pool, SATURATED_SINCE) == 0 && get(pool, GATHERER) == Py_None && get(pool, ON_EMPTY) == Py_None
           && number_of(pool, OPEN_COUNT) <= number_of(pool, LIMIT);
}

/* Whether answers are in time, nobody waits for a connection, and the loop was not away. */
static int
all_is_usual(PyObject *engine, long long now)
{
    PyObject *pauses = get(engine, PAUSES_OF);
    return get(pauses, RECOVERING) == Py_False && now <= number_of(engine, IN_TIME_UNTIL)
           && PyObject_Size(get(engine, QUEUE)) == 0 && was_away(pauses, now) == 0;
}

/* What Engine.on_answers does before it settles them. */
static int
note_answers(PyObject *engine, long long first, long long now)
{
    long long until = first + number_of(engine, TIMEOUT_NS);
    PyObject *pauses = get(engine, PAUSES_OF);
    if (until < number_of(engine, IN_TIME_UNTIL) && put_number(engine, IN_TIME_UNTIL, until))
        return -1;
    return now > number_of(pauses, BEATEN_NS) ? note_beat(pauses, now) : 0;
}

/* The instant of an answer; -1 where it is none. */
static long long
instant_of(PyObject *answer)
{
    return PyTuple_CheckExact(answer) && PyTuple_GET_SIZE(answer) == 3 ? to_number(PyTuple_GET_ITEM(answer, 2)) : -1;
}

/* Where a pause was found meanwhile: the beat at the end of Engine.on_answers. */
static int
beat_after(PyObject *engine)
{
    return get(get(engine, PAUSES_OF), RECOVERING) == Py_False
               ? 0
               : called(PyObject_CallMethod(engine, "_beat", "L", clock_ns()));
}

/* The answers of one look at the sockets: Engine.on_answers. 1; 0 where nothing was done, and Python must do all; -1 with
 * an exception. */
int
settle_all(PyObject *engine, PyObject *answers)
{
    PyObject *arrivals = get(engine, ARRIVALS_OF);
    Py_ssize_t size = PyList_GET_SIZE(answers), done = 0;
    long long now = size ? instant_of(PyList_GET_ITEM(answers, size - 1)) : -1;
    int usual = now >= 0 && all_is_usual(engine, now);
    if (PyErr_Occurred())
        return -1;
    if (!usual)
        return 0;
    Settling all = {.rows = get(get(engine, RECORDER_OF), ROWS), .ready = get(engine, READY),
                    .policies = get(engine, POLICIES), .of_user = get(engine, OF_USER),
                    .reuse = number_of(engine, REUSE)};
    if (note_answers(engine, instant_of(PyList_GET_ITEM(answers, 0)), now))
        return -1;
    if (number_of(arrivals, USERS) <= number_of(arrivals, USERS_WANTED) && now < number_of(arrivals, PHASE_END))
        all.turns = get(arrivals, TURNS);
    if (at_rest(get(engine, POOL_OF)))
        all.idle = get(engine, IDLE);
    int settled = PyErr_Occurred() ? -1 : 1;
    while (settled == 1 && done < size) {
        settled = settle_one(&all, PyList_GET_ITEM(answers, done));
        done += settled == 1;
    }
    if (settled < 0)
        return -1;
    if (done < size) {
        PyObject *rest = PyList_GetSlice(answers, done, size);
        int failed = rest == NULL || called(PyObject_CallMethod(engine, "_settle", "O", rest));
        Py_XDECREF(rest);
        return failed || beat_after(engine) ? -1 : 1;
    }
    if ((PyList_GET_SIZE(all.ready) || PyList_GET_SIZE(all.rows) >= constants[BITE])
             && called(PyObject_CallMethod(engine, "_go_on_after", NULL)))
        return -1;
    return beat_after(engine) ? -1 : 1;
}
