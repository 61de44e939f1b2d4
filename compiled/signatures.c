/* Signatures: HMAC-SHA256 in hex over timestamp and body. */

#include "hot.h"

#define CODE 64 /* Digits of one. */

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

/* OpenSSL's own SHA-256, from the library that hashlib has loaded. Its states are plain memory (SHA256_CTX, the same in
 * all its versions), so that copying the state of a key costs nothing; by way of hashlib's objects a copy costs as much
 * as hashing some hundred bytes, and a code needs four. */
typedef struct {
    uint32_t h[8], bits[2], block[16];
    unsigned int used, size;
} State;

static struct {
    int (*init)(State *);
    int (*update)(State *, const void *, size_t);
    int (*final)(unsigned char *, State *);
} sha;

const char find_sha256_doc[] = "find_sha256()\n--\n\nWhether `sha256_state` and `lines` can be used: hashlib's OpenSSL is a library that can be reached.";

PyObject *
find_sha256(PyObject *module, PyObject *ignored)
{
    static const unsigned char known[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
    void *library = library_behind("_hashlib");
    if (library != NULL) {
        *(void **)&sha.init = dlsym(library, "SHA256_Init");
        *(void **)&sha.update = dlsym(library, "SHA256_Update");
        *(void **)&sha.final = dlsym(library, "SHA256_Final");
        State state[2]; /* room for one that would be longer than it has ever been */
        unsigned char digest[32];
        if (sha.init != NULL && sha.update != NULL && sha.final != NULL && sha.init(state)
            && sha.update(state, "abc", 3) && sha.final(digest, state) && memcmp(digest, known, sizeof known) == 0)
            Py_RETURN_TRUE;
    }
    sha.init = NULL;
    Py_RETURN_FALSE;
}

static int
is_state(PyObject *bytes)
{
    return PyBytes_CheckExact(bytes) && PyBytes_GET_SIZE(bytes) == sizeof(State);
}

const char sha256_state_doc[] = "sha256_state(data, before=b'')\n--\n\nThe state of a hash of `data`, behind what the state `before` has of it.";

PyObject *
sha256_state(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    State state;
    if (count < 1 || count > 2 || sha.init == NULL || !PyBytes_Check(given[0]) || (count == 2 && !is_state(given[1]))) {
        PyErr_SetString(PyExc_TypeError, "sha256_state: wrong arguments");
        return NULL;
    }
    memset(&state, 0, sizeof state);
    if (count == 2)
        memcpy(&state, PyBytes_AS_STRING(given[1]), sizeof state);
    else
        sha.init(&state);
    sha.update(&state, PyBytes_AS_STRING(given[0]), (size_t)PyBytes_GET_SIZE(given[0]));
    return PyBytes_FromStringAndSize((const char *)&state, sizeof state);
}

/* Write the HMAC in hex of what follows the state `inner`; returns where it ends. See `is_key`. */
static char *
code_of(char *at, const char *text, size_t size, PyObject *inner, PyObject *outer)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32];
    State state;
    memcpy(&state, PyBytes_AS_STRING(inner), sizeof state);
    sha.update(&state, text, size);
    sha.final(digest, &state);
    memcpy(&state, PyBytes_AS_STRING(outer), sizeof state);
    sha.update(&state, digest, sizeof digest);
    sha.final(digest, &state);
    for (size_t i = 0; i < sizeof digest; i++) {
        *at++ = hex[digest[i] >> 4];
        *at++ = hex[digest[i] & 15];
    }
    return at;
}

/* Write `head`, the HMAC of a body in hex, CRLF: as many bytes as `line_size` says. `inner`, `outer`: see `is_key`. */
void
write_line(char *at, const char *body, Py_ssize_t size, PyObject *inner, PyObject *outer, PyObject *head)
{
    memcpy(code_of(copied(at, head), body, (size_t)size, inner, outer), "\r\n", 2);
}

Py_ssize_t
line_size(PyObject *head)
{
    return PyBytes_GET_SIZE(head) + CODE + 2;
}

/* Whether lines can be made with these states of a key. */
int
is_key(PyObject *inner, PyObject *outer)
{
    return sha.init != NULL && is_state(inner) && is_state(outer);
}

const char code_doc[] =
    "code(inner, outer, event_id, body)\n--\n\n"
    "The HMAC of `body` in hex, as text. `event_id` is not signed: it is there since every code is asked for with one.";

PyObject *
code(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    Py_buffer body;
    if (count != 4 || !is_key(given[0], given[1])) {
        PyErr_SetString(PyExc_TypeError, "code: wrong arguments");
        return NULL;
    }
    if (PyObject_GetBuffer(given[3], &body, PyBUF_SIMPLE))
        return NULL;
    PyObject *text = PyUnicode_New(CODE, 127);
    if (text != NULL)
        code_of((char *)PyUnicode_1BYTE_DATA(text), body.buf, (size_t)body.len, given[0], given[1]);
    PyBuffer_Release(&body);
    return text;
}

const char lines_doc[] = "lines(bodies, inner, outer, head)\n--\n\nSee Signer.headers_of_all; `inner`, `outer`: states.";

PyObject *
lines(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 4 || !PyList_CheckExact(given[0]) || !is_key(given[1], given[2]) || !PyBytes_CheckExact(given[3])) {
        PyErr_SetString(PyExc_TypeError, "lines: wrong arguments");
        return NULL;
    }
    PyObject *found = PyList_New(PyList_GET_SIZE(given[0]));
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(found); i++) {
        PyObject *body = PyList_GET_ITEM(given[0], i), *line = NULL;
        if (!PyBytes_CheckExact(body))
            PyErr_SetString(PyExc_TypeError, "lines: a body is bytes");
        else if ((line = PyBytes_FromStringAndSize(NULL, line_size(given[3]))) != NULL)
            write_line(PyBytes_AS_STRING(line), PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), given[1], given[2],
                       given[3]);
        if (line == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, i, line);
    }
    return found;
}
