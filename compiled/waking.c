/* Waking up when events are due in the open model: they are released, made and sent. */

#include "hot.h"

#include <errno.h>
#include <sys/timerfd.h>

/* The state of a TimerfdPacer: two timers, when each is to expire (0: it is not armed), and the instant at which to wake. */
typedef struct {
    long long fds[2], at[2], due;
} Timers;

static int
set_timer(Timers *timers, int number, long long instant)
{
    struct itimerspec spec = {.it_value = {instant / 1000000000, instant % 1000000000}};
    if (timerfd_settime((int)timers->fds[number], TFD_TIMER_ABSTIME, &spec, NULL)) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    timers->at[number] = instant;
    return 0;
}

const char arm_doc[] =
    "arm(timers, due, following=0)\n--\n\n"
    "See TimerfdPacer.arm, whose state `timers` is: wake at `due`, ns of the monotonic clock, and be armed for what follows.";

PyObject *
arm(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count < 2 || count > 3 || !PyByteArray_CheckExact(given[0]) || PyByteArray_GET_SIZE(given[0]) != sizeof(Timers)) {
        PyErr_SetString(PyExc_TypeError, "arm: wrong arguments");
        return NULL;
    }
    Timers *timers = (Timers *)PyByteArray_AS_STRING(given[0]);
    long long due = to_number(given[1]), following = count == 3 ? to_number(given[2]) : 0;
    if (PyErr_Occurred())
        return NULL;
    if (due < 1) /* zero would disarm it */
        due = 1;
    timers->due = due;
    int number = timers->at[0] == due || (timers->at[0] == 0 && timers->at[1] != due) ? 0 : 1;
    if ((timers->at[number] != due && set_timer(timers, number, due))
        || (following > due && timers->at[1 - number] != following && set_timer(timers, 1 - number, following)))
        return NULL;
    Py_RETURN_NONE;
}

/* Events that are due: `count` of a block, from its `position` on. When the one after them is, since the start, and the one
 * after that; -1 where the block ends there. */
typedef struct {
    PyObject *indexes, *dues, *strata;
    Py_ssize_t position, count;
    long long next, following;
} Due;

/* Find those that are due at `now`: 1; 0 where Python must do all, as at the end of a block. */
static int
find_due(PyObject *engine, long long now, Due *due)
{
    PyObject *arrivals = get(engine, ARRIVALS_OF), *block = get(arrivals, BLOCK);
    if (get(arrivals, CLOSED) != Py_False || number_of(arrivals, STOPPED_NS) || now >= number_of(arrivals, PHASE_END)
        || was_away(get(engine, PAUSES_OF), now) || PyList_GET_SIZE(get(engine, READY))
        || !holds(get(get(engine, MAKING_OF), RECIPES_OF), RECIPES) || !PyTuple_Check(block)
        || PyTuple_GET_SIZE(block) != 3)
        return 0;
    *due = (Due){PyTuple_GET_ITEM(block, 0), PyTuple_GET_ITEM(block, 1), PyTuple_GET_ITEM(block, 2), 0, 0, 0, -1};
    if (!PyList_CheckExact(due->indexes) || !PyList_CheckExact(due->dues) || !PyList_CheckExact(due->strata))
        return 0;
    long long elapsed = now - number_of(arrivals, START_NS);
    Py_ssize_t size = PyList_GET_SIZE(due->dues), most = PyDict_GET_SIZE(get(engine, IDLE)),
               at = (Py_ssize_t)number_of(arrivals, POSITION);
    if (PyErr_Occurred() || at < 0 || PyList_GET_SIZE(due->indexes) != size || PyList_GET_SIZE(due->strata) != size)
        return 0;
    if (most >= constants[MOST_AT_ONCE])
        most = (Py_ssize_t)constants[MOST_AT_ONCE] - 1;
    due->position = at;
    while (at < size && (due->next = to_number(PyList_GET_ITEM(due->dues, at))) <= elapsed)
        at++;
    due->count = at - due->position;
    if (at + 1 < size)
        due->following = to_number(PyList_GET_ITEM(due->dues, at + 1));
    return !PyErr_Occurred() && at < size && 0 < due->count && due->count <= most;
}

/* Give an event an idle connection, and count it as planned. */
static int
release(PyObject *engine, const Due *due, Py_ssize_t at, PyObject *woken, PyObject *ready)
{
    PyObject *arrivals = get(engine, ARRIVALS_OF), *planned = get(arrivals, PLANNED);
    PyObject *stratum = PyList_GET_ITEM(due->strata, at), *instant = NULL, *event = NULL;
    long long number = to_number(stratum);
    if (number < 0 || number >= PyList_GET_SIZE(planned)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "wake: no stratum");
        return -1;
    }
    PyObject *item = PyObject_CallNoArgs(get(engine, TAKE_IDLE));
    int failed = -1;
    if (item == NULL || !PyTuple_CheckExact(item) || !Py_IS_TYPE(PyTuple_GET_ITEM(item, 0), kinds[CONNECTION])) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "wake: no idle connection");
        goto end;
    }
    PyObject *connection = PyTuple_GET_ITEM(item, 0), *counted;
    instant = PyLong_FromLongLong(number_of(arrivals, START_NS) + to_number(PyList_GET_ITEM(due->dues, at)));
    event = instant == NULL ? NULL : PyTuple_Pack(4, PyList_GET_ITEM(due->indexes, at), stratum, instant, woken);
    if (event == NULL || (counted = PyLong_FromLongLong(to_number(PyList_GET_ITEM(planned, number)) + 1)) == NULL
        || PyList_SetItem(planned, number, counted) || PyList_Append(ready, connection))
        goto end;
    give(connection, event, woken);
    failed = 0;
end:
    Py_XDECREF(item);
    Py_XDECREF(instant);
    Py_XDECREF(event);
    return failed;
}

/* Release the events that are due; returns the connections that they got. */
static PyObject *
released(PyObject *engine, const Due *due, PyObject *woken)
{
    PyObject *arrivals = get(engine, ARRIVALS_OF), *ready = PyList_New(0);
    int failed = ready == NULL;
    for (Py_ssize_t at = due->position; !failed && at < due->position + due->count; at++)
        failed = release(engine, due, at, woken, ready) || put_number(arrivals, POSITION, at + 1);
    if (failed || put_number(arrivals, WAKE_NS, number_of(arrivals, START_NS) + due->next))
        Py_CLEAR(ready);
    return ready;
}

/* Whether an event of this batch is timed: RequestMaking._is_timed. */
static int
is_timed(PyObject *making, Py_ssize_t events, long long now)
{
    long long untimed = number_of(making, UNTIMED) + 1;
    int timed = untimed >= constants[TIMED_EVERY]
                || (events == 1 && now - number_of(making, TIMED_NS) >= constants[TIMED_APART_NS]);
    if (PyErr_Occurred() || put_number(making, UNTIMED, timed ? 0 : untimed)
        || (timed && put_number(making, TIMED_NS, now)))
        return -1;
    return timed;
}

/* Make and send the requests: returns how many, up to one that Python must make. `signs`:
 * NULL where none of them is timed. */
static Py_ssize_t
sent_by_step(PyObject *making, PyObject *ready, long long now, PyObject *signs)
{
    PyObject *recipes = get(making, RECIPES_OF);
    long long wall = now + number_of(making, WALL_OFFSET);
    if (wall / 1000000 != number_of(recipes, RECIPES_MS) && called(PyObject_CallMethod(recipes, "at", "L", wall)))
        return -1;
    PyObject *timing = signs == NULL ? Py_NewRef(Py_None) : Py_BuildValue("(OL)", signs, now);
    if (timing == NULL)
        return -1;
    PyObject *words[] = {NULL, ready, zero, recipes, timing};
    PyObject *sent = PyObject_Vectorcall(get(making, SEND_EVENTS), words + 1, 4 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_ssize_t count = sent == NULL ? -1 : PyLong_AsSsize_t(sent);
    Py_DECREF(timing);
    Py_XDECREF(sent);
    return count;
}

/* Make and send the requests of these connections: RequestMaking.send. */
static int
make_and_send(PyObject *engine, PyObject *ready)
{
    PyObject *making = get(engine, MAKING_OF), *signs = get(get(engine, RECORDER_OF), SIGNS);
    long long now = clock_ns();
    int timed = is_timed(making, PyList_GET_SIZE(ready), now);
    Py_ssize_t sent = timed < 0 ? -1 : sent_by_step(making, ready, now, timed ? signs : NULL);
    if (sent < 0)
        return -1;
    if (sent == PyList_GET_SIZE(ready))
        return 0;
    return called(PyObject_CallMethod(making, "send_at", "OLOn", ready, now, timed && !sent ? Py_True : Py_False, sent));
}

/* Arm the timer for the next event; and for the one after it, unless events are late already. */
static int
arm_next(PyObject *engine, PyObject *wake_ns, const Due *due, long long spare)
{
    long long start = number_of(get(engine, ARRIVALS_OF), START_NS);
    PyObject *following = PyLong_FromLongLong(due->following < 0 || spare <= 0 ? 0 : start + due->following);
    if (following == NULL)
        return -1;
    PyObject *words[] = {NULL, wake_ns, following};
    int failed = called(PyObject_Vectorcall(get(engine, ARM), words + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL));
    Py_DECREF(following);
    return failed;
}

/* What follows when all was sent: the beat of Engine.flush, the timer, and what there is time for before it wakes. */
static int
go_on(PyObject *engine, const Due *due)
{
    PyObject *pauses = get(engine, PAUSES_OF), *recorder = get(engine, RECORDER_OF);
    PyObject *wake_ns = Py_NewRef(get(get(engine, ARRIVALS_OF), WAKE_NS));
    long long now = clock_ns();
    int away = was_away(pauses, now);
    int failed = away < 0
                 || (away ? called(PyObject_CallMethod(pauses, "beat", "LOn", now, get(engine, OUTSTANDING), due->count))
                          : note_beat(pauses, now));
    long long spare = to_number(wake_ns) - clock_ns();
    failed = failed || arm_next(engine, wake_ns, due, spare);
    Py_DECREF(wake_ns);
    if (failed)
        return -1;
    Py_ssize_t rows = PyList_GET_SIZE(get(recorder, ROWS));
    if (get(recorder, FOLDING) == Py_None && rows < constants[BITE])
        return 0;
    return called(PyObject_CallMethod(engine, "spare", "L", spare));
}

const char wake_doc[] =
    "wake(engine, now)\n--\n\n"
    "See Arrivals._on_wake: release, make and send the events of an open phase that are due at `now`. False where nothing\n"
    "was done, and Python must do all.";

PyObject *
wake(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "wake: wrong arguments");
        return NULL;
    }
    PyObject *engine = given[0];
    long long now = to_number(given[1]);
    Due due;
    int usual = !PyErr_Occurred() && is_known(engine) && find_due(engine, now, &due);
    if (PyErr_Occurred())
        return NULL;
    if (!usual)
        Py_RETURN_FALSE;
    PyObject *block = Py_NewRef(get(get(engine, ARRIVALS_OF), BLOCK));
    PyObject *ready = note_beat(get(engine, PAUSES_OF), now) ? NULL : released(engine, &due, given[1]);
    Py_DECREF(block);
    int failed = ready == NULL || make_and_send(engine, ready) || go_on(engine, &due);
    Py_XDECREF(ready);
    return failed ? NULL : PyBool_FromLong(1);
}
