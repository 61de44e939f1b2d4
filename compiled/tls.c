/* Records of TLS, made and opened by the OpenSSL that Python's ssl module has loaded, without the Python objects between.
 *
 * A session's SSL is a member of ssl's own object, whose place is private to CPython: it is used in the versions named
 * here only, and where the SSL names that object as its owner. Whatever is not one whole record of data, or fails, is
 * left to ssl, which asks OpenSSL once more and raises what it raises.
 */

#include "hot.h"

#include <dlfcn.h>

#define APPLICATION_DATA 23 /* RFC 8446, section 5.1 */
#define HEAD 5 /* Of a record: type, version, length. */
#define PENDING_BYTES 10 /* BIO_CTRL_PENDING */

typedef struct ssl_st SSL;
typedef struct bio_st BIO;

static struct {
    int (*read)(SSL *, void *, int);
    int (*write)(SSL *, const void *, int);
    BIO *(*arrived)(const SSL *);
    BIO *(*leaving)(const SSL *);
    void *(*owner)(const SSL *, int);
    int (*put)(BIO *, const void *, int);
    int (*take)(BIO *, void *, int);
    long (*control)(BIO *, int, long, void *);
    int (*has_pending)(const SSL *);
    unsigned long (*last_error)(void);
} openssl;
static enum { NOT_TRIED, MISSING, FOUND } found;
static PyTypeObject *session_type; /* ssl's own. */

static void
look_for_openssl(void)
{
    void *own = library_behind("_ssl");
    found = MISSING;
    if (own == NULL)
        return;
    *(void **)&openssl.read = dlsym(own, "SSL_read");
    *(void **)&openssl.write = dlsym(own, "SSL_write");
    *(void **)&openssl.arrived = dlsym(own, "SSL_get_rbio");
    *(void **)&openssl.leaving = dlsym(own, "SSL_get_wbio");
    *(void **)&openssl.owner = dlsym(own, "SSL_get_ex_data");
    *(void **)&openssl.has_pending = dlsym(own, "SSL_has_pending");
    *(void **)&openssl.put = dlsym(own, "BIO_write");
    *(void **)&openssl.take = dlsym(own, "BIO_read");
    *(void **)&openssl.control = dlsym(own, "BIO_ctrl");
    *(void **)&openssl.last_error = dlsym(own, "ERR_peek_last_error");
    if (openssl.read && openssl.write && openssl.arrived && openssl.leaving && openssl.owner && openssl.has_pending
        && openssl.put && openssl.take && openssl.control && openssl.last_error)
        found = FOUND;
}

/* The SSL of a TlsSession, by the `method` of ssl's that the session would call; NULL where it cannot be reached. */
static SSL *
ssl_of(PyObject *tls, int method_of)
{
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030e0000 && !defined(Py_GIL_DISABLED)
    struct beginning { /* of PySSLSocket, Modules/_ssl.c */
        PyObject_HEAD
        PyObject *socket;
        SSL *ssl;
    };
    PyObject *method = get(tls, method_of);
    if (found == NOT_TRIED)
        look_for_openssl();
    if (found == MISSING || method == NULL || !PyCFunction_CheckExact(method))
        return NULL;
    PyObject *object = PyCFunction_GET_SELF(method);
    if (object == NULL)
        return NULL;
    if (session_type == NULL && strcmp(Py_TYPE(object)->tp_name, "_ssl._SSLSocket") == 0)
        session_type = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(object));
    if (!Py_IS_TYPE(object, session_type))
        return NULL;
    SSL *ssl = ((struct beginning *)object)->ssl;
    return ssl != NULL && openssl.owner(ssl, 0) == object ? ssl : NULL;
#else
    (void)tls, (void)method_of;
    return NULL;
#endif
}

static int
waits(BIO *bio)
{
    return openssl.control(bio, PENDING_BYTES, 0, NULL) != 0;
}

/* Open one whole record into `room`: the size of what is in it. 0 where ssl must go on, from `left`. */
Py_ssize_t
open_record(PyObject *tls, const char *arrived, Py_ssize_t size, char *room, Py_ssize_t largest, Left *left)
{
    *left = ALL;
    if (size < HEAD || arrived[0] != APPLICATION_DATA
        || size - HEAD != ((unsigned char)arrived[3] << 8 | (unsigned char)arrived[4]))
        return 0;
    SSL *ssl = ssl_of(tls, DECRYPT);
    BIO *bio = ssl == NULL ? NULL : openssl.arrived(ssl);
    /* A part of a record may have come before: then this is no record, whatever it looks like. */
    if (bio == NULL || waits(bio) || openssl.has_pending(ssl) || openssl.put(bio, arrived, (int)size) != size)
        return 0;
    int got = openssl.read(ssl, room, (int)largest);
    if (got > 0)
        return got;
    *left = openssl.last_error() ? ITS_ERROR : OPENING;
    return 0;
}

/* Make a record of `data` in `room`: its size. 0 where ssl must do it, and nothing was done that it would not do. */
Py_ssize_t
seal_record(PyObject *tls, const char *data, Py_ssize_t size, char *room, Py_ssize_t largest)
{
    SSL *ssl = ssl_of(tls, ENCRYPT);
    BIO *bio = ssl == NULL ? NULL : openssl.leaving(ssl);
    int written = bio == NULL || waits(bio) ? 0 : openssl.write(ssl, data, (int)size);
    if (written <= 0)
        return 0;
    int sealed = openssl.take(bio, room, (int)largest);
    if (written != size || sealed <= 0 || waits(bio)) { /* what fits a record is not written in parts */
        PyErr_SetString(PyExc_SystemError, "OpenSSL took a part of a record");
        return -1;
    }
    return sealed;
}
