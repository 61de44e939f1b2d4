/* Reading requests whose head is like one that is known, for the bare engine of the receiver. */

#include "hot.h"

enum { SKIPPED = '-', NEEDED = 'n', LENGTH = 'l', ID = 'i' }; /* See known_heads.py. */

/* What a head is recognised by: the text between the values of its fields, and what each value is. */
typedef struct {
    PyObject *texts, *kinds, *keys, *target;
} Head;

/* What is read: the needed headers, the delivery's id, and where the body begins. */
typedef struct {
    PyObject *headers, *id;
    long long length;
    const char *body;
} Found;

static int
unpacked(PyObject *known, Head *head)
{
    if (!PyTuple_CheckExact(known) || PyTuple_GET_SIZE(known) != 4)
        return -1;
    *head = (Head){PyTuple_GET_ITEM(known, 0), PyTuple_GET_ITEM(known, 1), PyTuple_GET_ITEM(known, 2),
                   PyTuple_GET_ITEM(known, 3)};
    if (!PyTuple_CheckExact(head->texts) || !PyBytes_CheckExact(head->kinds) || !PyTuple_CheckExact(head->keys)
        || PyTuple_GET_SIZE(head->texts) != PyBytes_GET_SIZE(head->kinds) + 1
        || PyTuple_GET_SIZE(head->keys) != PyBytes_GET_SIZE(head->kinds))
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(head->texts); i++)
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(head->texts, i)))
            return -1;
    return 0;
}

/* Where a value ends: printable ASCII without blanks at its ends, or two together; NULL where it is none. */
static const char *
end_of_value(const char *at, const char *end)
{
    int blank = 1;
    for (; at < end && *at >= ' ' && *at <= '~'; at++) {
        if (*at == ' ' && blank)
            return NULL;
        blank = *at == ' ';
    }
    return blank ? NULL : at;
}

/* Where a length of up to 18 digits ends; NULL where it is none. */
static const char *
end_of_length(const char *at, const char *end, long long *length)
{
    const char *begin = at;
    for (*length = 0; at < end && *at >= '0' && *at <= '9' && at - begin < 18; at++)
        *length = *length * 10 + (*at - '0');
    return at == begin ? NULL : at;
}

/* Where a text ends that is to stand here; NULL where it does not. */
static const char *
behind_text(const char *at, const char *end, PyObject *text)
{
    Py_ssize_t size = PyBytes_GET_SIZE(text);
    return end - at >= size && memcmp(at, PyBytes_AS_STRING(text), (size_t)size) == 0 ? at + size : NULL;
}

/* Keep a value, which is ASCII. */
static int
keep(Found *found, int kind, PyObject *key, const char *at, const char *end)
{
    if (kind == ID)
        return (found->id = PyBytes_FromStringAndSize(at, end - at)) == NULL ? -1 : 0;
    PyObject *text = PyUnicode_New(end - at, 127);
    if (text == NULL)
        return -1;
    memcpy(PyUnicode_1BYTE_DATA(text), at, (size_t)(end - at));
    int failed = PyDict_SetItem(found->headers, key, text);
    Py_DECREF(text);
    return failed;
}

/* Read a head: 1; 0 where it is another one. */
static int
matched(const Head *head, const char *at, const char *end, Found *found)
{
    const char *kinds = PyBytes_AS_STRING(head->kinds);
    for (Py_ssize_t i = 0; i < PyBytes_GET_SIZE(head->kinds); i++) {
        const char *begin = behind_text(at, end, PyTuple_GET_ITEM(head->texts, i));
        at = begin == NULL             ? NULL
             : kinds[i] == (char)LENGTH ? end_of_length(begin, end, &found->length)
                                        : end_of_value(begin, end);
        if (at == NULL)
            return 0;
        if (kinds[i] != SKIPPED && keep(found, kinds[i], PyTuple_GET_ITEM(head->keys, i), begin, at))
            return -1;
    }
    found->body = behind_text(at, end, PyTuple_GET_ITEM(head->texts, PyBytes_GET_SIZE(head->kinds)));
    return found->body != NULL;
}

const char read_head_doc[] =
    "read_head(heads, most, data)\n--\n\n"
    "See KnownHeads.read: of a request with one of the `heads` and a body of at most `most` bytes.";

PyObject *
read_head(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 3 || !PyList_CheckExact(given[0]) || !PyBytes_Check(given[2])) {
        PyErr_SetString(PyExc_TypeError, "read_head: wrong arguments");
        return NULL;
    }
    const char *data = PyBytes_AS_STRING(given[2]), *end = data + PyBytes_GET_SIZE(given[2]);
    long long most = to_number(given[1]);
    for (Py_ssize_t i = 0; !PyErr_Occurred() && i < PyList_GET_SIZE(given[0]); i++) {
        Head head;
        if (unpacked(PyList_GET_ITEM(given[0], i), &head)) {
            PyErr_SetString(PyExc_TypeError, "read_head: a head is (texts, kinds, keys, target)");
            break;
        }
        Found found = {.headers = PyDict_New()};
        int is_this = found.headers == NULL ? -1 : matched(&head, data, end, &found);
        PyObject *known = NULL;
        if (is_this == 1 && end - found.body == found.length && found.length <= most)
            known = Py_BuildValue("(OOy#y#)", head.target, found.headers,
                                  found.id == NULL ? "" : PyBytes_AS_STRING(found.id),
                                  found.id == NULL ? 0 : PyBytes_GET_SIZE(found.id), found.body, end - found.body);
        Py_XDECREF(found.headers);
        Py_XDECREF(found.id);
        if (known != NULL)
            return known;
        if (is_this == 1)
            break;
    }
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}
