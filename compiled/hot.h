/* The compiled step of the hot path: what each event of an HTTP/1.1 run passes, for the case that nearly all take.
 *
 * Optional. The Python code beside each caller is the reference, does all the rest, and does this too where the module
 * was not built. Objects are the Python ones; members of classes with __slots__ are reached by their offsets, which
 * `bind` looks up once and refuses where something is not as it expects.
 *
 * Two rules keep it correct. What is borrowed is held while Python may run. And whatever is not the usual case is left
 * to a Python function before anything was changed, or with what was read or written already.
 */

#ifndef LOADSIM_HOT_H
#define LOADSIM_HOT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>
#include <time.h>

#define CHUNK 16384 /* The most that is read at once. */

/* -- members of Python objects ------------------------------------------------------------------------------------ */

enum { CONNECTION, READER, MEMO, TLS, ENGINE, ARRIVALS, POOL, PAUSES, MAKING, RECIPES, RECORDER, TRANSPORT, KINDS };
extern PyTypeObject *kinds[KINDS];

enum {
    STATE, FD, EVENT, READER_OF, TLS_OF, PENDING, OVERHEAD, SERVED, SLOT_NS, READY_NS, SENT_NS, FIRST_NS, RECEIPT_NS,
    BYTES_SENT, BYTES_RECEIVED, REUSABLE, RAW, STARTED, DATA, STATUS, PUT, DECRYPT, ENCRYPT, TAKE, ARRIVED,
    ARRIVALS_OF, POOL_OF, PAUSES_OF, MAKING_OF, RECORDER_OF, IDLE, TAKE_IDLE, QUEUE, POLICIES, OF_USER, REUSE, TIMEOUT_NS,
    IN_TIME_UNTIL, READY, ARM, OUTSTANDING, TICKED_NS, CLOSED, STOPPED_NS, PHASE_END, WAKE_NS, BLOCK, POSITION, START_NS, PLANNED,
    TURNS, USERS, USERS_WANTED, LIMIT, OPEN_COUNT, SATURATED_SINCE, ON_EMPTY, GATHERER, LIMIT_NS, BEATEN_NS, RECOVERING,
    UNTIMED, TIMED_NS, WALL_OFFSET, RECIPES_OF, SEND_EVENTS, RECIPES_MS, ROWS, FOLDING, SIGNS, TABLE, POLL,
    ANSWERS, DRAINING, LOOKED_NS, SOME, OWNER, GRAVEYARD, MEMO_OF, VARIED, MEMBERS
};
typedef struct {
    int kind;
    const char *name;
} Member;
extern const Member members[MEMBERS];
extern Py_ssize_t offsets[MEMBERS];
extern PyObject *zero;

/* Numbers that Python's code has, by the order in which `bind` gets them. `READY_STATE`: the `state` of a connection that
 * carries events. The others: see compiled_members.py. */
enum {
    READY_STATE, MOST_AT_ONCE, BITE, TIMED_EVERY, TIMED_APART_NS, ROUNDS, FEW, SELDOM_NS, SMALL, FITS, CHUNK_SIZE,
    CONSTANTS
};
extern long long constants[CONSTANTS];

/* Borrowed; NULL where it was never set, without an exception. */
static inline PyObject *
get(PyObject *object, int member)
{
    return *(PyObject **)((char *)object + offsets[member]);
}

/* Takes the reference to `value`. */
static inline void
put(PyObject *object, int member, PyObject *value)
{
    PyObject **place = (PyObject **)((char *)object + offsets[member]), *old = *place;
    *place = value;
    Py_XDECREF(old);
}

static inline int
put_number(PyObject *object, int member, long long value)
{
    PyObject *number = PyLong_FromLongLong(value);
    if (number == NULL)
        return -1;
    put(object, member, number);
    return 0;
}

/* PyLong_AsLongLong in a third of the time, for numbers as large as instants are. */
static inline long long
to_number(PyObject *value)
{
    int over = 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &over);
    if (over)
        PyErr_SetString(PyExc_OverflowError, "a number does not fit 64 bits");
    return number;
}

/* The number of a member; -1 with an exception where it is none. */
static inline long long
number_of(PyObject *object, int member)
{
    PyObject *value = get(object, member);
    if (value == NULL || !PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s is not a number", members[member].name);
        return -1;
    }
    return to_number(value);
}

/* Whether a member is an object of the kind. */
static inline int
holds(PyObject *value, int kind)
{
    return value != NULL && Py_IS_TYPE(value, kinds[kind]);
}

/* Whether it is of a kind, or of a class made of it. */
static inline int
is_of(PyObject *value, int kind)
{
    return value != NULL && kinds[kind] != NULL && PyObject_TypeCheck(value, kinds[kind]);
}

static inline int
is_list(PyObject *value)
{
    return value != NULL && PyList_CheckExact(value);
}

/* Whether it is an engine, and none made of it that does things in another way, whose parts are as expected. */
static inline int
is_known(PyObject *engine)
{
    return holds(engine, ENGINE) && is_of(get(engine, ARRIVALS_OF), ARRIVALS) && is_of(get(engine, POOL_OF), POOL)
           && is_of(get(engine, PAUSES_OF), PAUSES) && is_of(get(engine, MAKING_OF), MAKING)
           && is_of(get(engine, RECORDER_OF), RECORDER) && is_list(get(get(engine, RECORDER_OF), ROWS))
           && is_list(get(get(engine, RECORDER_OF), SIGNS))
           && is_list(get(engine, READY)) && is_list(get(engine, POLICIES)) && is_list(get(engine, OF_USER))
           && is_list(get(get(engine, ARRIVALS_OF), PLANNED)) && get(engine, IDLE) != NULL
           && PyDict_CheckExact(get(engine, IDLE));
}

static inline long long
in_ns(struct timespec instant)
{
    return (long long)instant.tv_sec * 1000000000 + instant.tv_nsec;
}

static inline long long
clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return in_ns(now);
}

/* Whether the connection is one of ours, ready for bytes, over TLS (1), in the clear (0), or not (-1). */
static inline int
usable(PyObject *connection)
{
    if (!Py_IS_TYPE(connection, kinds[CONNECTION]))
        return -1;
    PyObject *state = get(connection, STATE), *tls = get(connection, TLS_OF);
    if (state == NULL || tls == NULL || !PyLong_CheckExact(state) || PyLong_AsLong(state) != constants[READY_STATE])
        return -1;
    return tls == Py_None ? 0 : holds(tls, TLS) ? 1 : -1;
}

/* Whether it is the event of a connection: (index, stratum, due, woken). */
static inline int
is_event(PyObject *event)
{
    return event != NULL && PyTuple_Check(event) && PyTuple_GET_SIZE(event) == 4;
}

/* Give a connection an event, which it may send from the `instant` on. */
static inline void
give(PyObject *connection, PyObject *event, PyObject *instant)
{
    put(connection, EVENT, Py_NewRef(event));
    put(connection, SLOT_NS, Py_NewRef(instant));
    put(connection, READY_NS, Py_NewRef(instant));
}

/* Whether it is what stands before and behind the index in the line that names a delivery. */
static inline int
is_around(PyObject *names)
{
    return PyTuple_CheckExact(names) && PyTuple_GET_SIZE(names) == 2 && PyBytes_CheckExact(PyTuple_GET_ITEM(names, 0))
           && PyBytes_CheckExact(PyTuple_GET_ITEM(names, 1));
}

/* Copy bytes; returns where they end. */
static inline char *
copied(char *at, PyObject *bytes)
{
    memcpy(at, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    return at + PyBytes_GET_SIZE(bytes);
}

/* -- calls of Python ---------------------------------------------------------------------------------------------- */

/* Note that the loop was at work at `now`: Pauses.beat, where no pause has ended. */
static inline int
note_beat(PyObject *pauses, long long now)
{
    return put_number(pauses, BEATEN_NS, now);
}

/* Whether it was away for longer than a pause may be; -1 with an exception. */
static inline int
was_away(PyObject *pauses, long long now)
{
    long long since = now - number_of(pauses, BEATEN_NS);
    int away = since > number_of(pauses, LIMIT_NS);
    return PyErr_Occurred() ? -1 : away;
}

/* A call that is made for its effect: 0, or -1 with an exception. */
int called(PyObject *done);

/* The present exception, which is no longer set. */
PyObject *caught(void);

/* For dlsym: a module of Python's with the libraries that it is bound to, whatever else is loaded beside them. NULL where
 * it has no file of its own. */
void *library_behind(const char *name);

/* -- outcomes ----------------------------------------------------------------------------------------------------- */

int settle_all(PyObject *engine, PyObject *answers);

/* -- TLS ---------------------------------------------------------------------------------------------------------- */

#define RECORD 16384 /* The most that one record holds. */

/* What is left to do with what arrived: all; to open it, since OpenSSL has it; to raise the error that it met in it. */
typedef enum { ALL, OPENING, ITS_ERROR } Left;

Py_ssize_t open_record(PyObject *tls, const char *arrived, Py_ssize_t size, char *room, Py_ssize_t largest, Left *left);
Py_ssize_t seal_record(PyObject *tls, const char *data, Py_ssize_t size, char *room, Py_ssize_t largest);

/* -- requests ----------------------------------------------------------------------------------------------------- */

#define ROOM 16384 /* Requests up to this size are put together on the stack. */
#define FRAMING 48
#define TIMES 16 /* The most times that a template may have. */
#define BODY_PARTS 8

/* What bodies are made of. `picks`: the situations of a block by an index's last 12 bits; `known`: their templates. `id`
 * and `digits`: the beginning of the block's ids and the last three digits. `seconds`: the text of a time by its offset,
 * to which `fraction` belongs; `ms`: the present time. */
typedef struct {
    PyObject *picks, *known, *id, *digits, *seconds, *fraction, *ms;
    long long block;
} Bodies;

/* A body that was begun: `end_body` ends it. `last`: the last digits of its id; `texts`: its times. */
typedef struct {
    PyObject *template, *last, *texts[TIMES];
    Py_ssize_t times, size;
} Body;

int bodies_from(PyObject *const given[BODY_PARTS], Bodies *all);
int begin_body(const Bodies *all, long long index, Body *body);
void write_body(const Bodies *all, const Body *body, char *at);
void end_body(Body *body);

int is_key(PyObject *inner, PyObject *outer);
Py_ssize_t line_size(PyObject *head);
void write_line(char *at, const char *body, Py_ssize_t size, PyObject *inner, PyObject *outer, PyObject *head);

char *decimal(char *at, unsigned long long number);
size_t framing_of(char framing[FRAMING], Py_ssize_t size);
int send_request(PyObject *connection, int over_tls, const char *data, Py_ssize_t size);

/* -- the functions of the module ---------------------------------------------------------------------------------- */

#define FUNCTION(name) \
    PyObject *name(PyObject *module, PyObject *const *given, Py_ssize_t count); \
    extern const char name##_doc[]

PyObject *bind_types(PyObject *module, PyObject *given);
extern const char bind_doc[];
FUNCTION(send_all);
FUNCTION(send_events);
FUNCTION(wake);
FUNCTION(arm);
FUNCTION(bodies);
FUNCTION(sha256_state);
FUNCTION(lines);
FUNCTION(code);
FUNCTION(read_head);
PyObject *row_of(PyObject *module, PyObject *const *given, Py_ssize_t count, PyObject *names);
extern const char row_of_doc[];
PyObject *is_bound(PyObject *module, PyObject *ignored);
extern const char is_bound_doc[];
PyObject *drain(PyObject *module, PyObject *transport);
extern const char drain_doc[];
PyObject *find_sha256(PyObject *module, PyObject *ignored);
extern const char find_sha256_doc[];

#endif
