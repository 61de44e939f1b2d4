/* Signatures: HMAC-SHA256 in hex over timestamp and body. */

#include "hot.h"

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

/* `head`, the HMAC of `body` in hex, CRLF. */
static PyObject *
line_of(PyObject *body, const State *inner, const State *outer, PyObject *head)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32];
    State state = *inner;
    PyObject *line = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(head) + 2 * (Py_ssize_t)sizeof digest + 2);
    if (line == NULL)
        return NULL;
    sha.update(&state, PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body));
    sha.final(digest, &state);
    state = *outer;
    sha.update(&state, digest, sizeof digest);
    sha.final(digest, &state);
    char *at = copied(PyBytes_AS_STRING(line), head);
    for (size_t i = 0; i < sizeof digest; i++) {
        *at++ = hex[digest[i] >> 4];
        *at++ = hex[digest[i] & 15];
    }
    memcpy(at, "\r\n", 2);
    return line;
}

const char lines_doc[] = "lines(bodies, inner, outer, head)\n--\n\nSee MessageMac.lines; `inner`, `outer`: states.";

PyObject *
lines(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    if (count != 4 || sha.init == NULL || !PyList_CheckExact(given[0]) || !is_state(given[1]) || !is_state(given[2])
        || !PyBytes_CheckExact(given[3])) {
        PyErr_SetString(PyExc_TypeError, "lines: wrong arguments");
        return NULL;
    }
    State inner, outer;
    memcpy(&inner, PyBytes_AS_STRING(given[1]), sizeof inner);
    memcpy(&outer, PyBytes_AS_STRING(given[2]), sizeof outer);
    PyObject *found = PyList_New(PyList_GET_SIZE(given[0]));
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(found); i++) {
        PyObject *body = PyList_GET_ITEM(given[0], i), *line = NULL;
        if (!PyBytes_CheckExact(body))
            PyErr_SetString(PyExc_TypeError, "lines: a body is bytes");
        else
            line = line_of(body, &inner, &outer, given[3]);
        if (line == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, i, line);
    }
    return found;
}
