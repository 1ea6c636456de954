/* The Python module imaxproxy.wire._splice: Splicer and Splice of splicer.h as objects. wire/splice.py uses it. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stdlib.h>

#include "gaps.h"
#include "splicer.h"

typedef struct {
    PyObject_HEAD
    Splicer splicer;
} PySplicer;

typedef struct {
    PyObject_HEAD
    PySplicer *holder;            /* whose Splicer it is on */
    Splice splice;
} PySplice;

typedef struct {
    PyTypeObject *splicer_type, *splice_type;
} Module;

/* Splicer -------------------------------------------------------------------------------------------------------- */

static PyObject *splicer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, ":Splicer", names))
        return NULL;
    PySplicer *self = (PySplicer *)PyType_GenericAlloc(type, 0); /* all zero */
    if (self == NULL)
        return NULL;
    int error = open_splicer(&self->splicer);
    if (error == 0)
        return (PyObject *)self;
    Py_DECREF(self);
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static void splicer_dealloc(PySplicer *self) /* every Splice holds a reference: none is left */
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    close_splicer(&self->splicer);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *splicer_fileno(PySplicer *self, PyObject *none)
{
    (void)none;
    return PyLong_FromLong(self->splicer.ready_fd);
}

static PyObject *splicer_ready(PySplicer *self, PyObject *most_object)
{
    long most = PyLong_AsLong(most_object);
    if (most < 1) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "ready(most) must be at least 1");
        return NULL;
    }
    int *in_fds = malloc((size_t)most * sizeof *in_fds);
    if (in_fds == NULL)
        return PyErr_NoMemory();
    size_t count = ready_splices(&self->splicer, in_fds, (size_t)most);
    PyObject *ready = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; ready != NULL && i < count; i++) {
        PyObject *in_fd = PyLong_FromLong(in_fds[i]);
        if (in_fd == NULL)
            Py_CLEAR(ready);
        else
            PyList_SetItem(ready, (Py_ssize_t)i, in_fd);
    }
    free(in_fds);
    return ready;
}

static PyObject *splicer_splices(PySplicer *self, PyObject *none)
{
    (void)none;
    return PyLong_FromSize_t(count_splices(&self->splicer));
}

static PyObject *splicer_lateness(PySplicer *self, PyObject *none)
{
    (void)none;
    Lateness lateness;
    take_lateness(&self->splicer, &lateness);
    PyObject *reads = PyDict_New();
    for (int i = 0; reads != NULL && i < LATENESS_BUCKETS; i++) {
        if (lateness.reads[i] == 0)
            continue;
        PyObject *late_us = PyLong_FromLongLong(bucket_us(i)), *times = PyLong_FromUnsignedLongLong(lateness.reads[i]);
        if (late_us == NULL || times == NULL || PyDict_SetItem(reads, late_us, times) < 0)
            Py_CLEAR(reads);
        Py_XDECREF(late_us);
        Py_XDECREF(times);
    }
    if (reads == NULL)
        return NULL;
    return Py_BuildValue("NK", reads, (unsigned long long)lateness.unstamped);
}

/* Splice --------------------------------------------------------------------------------------------------------- */

static PyObject *splice_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"splicer", "in_fd", "out_fd", "batch_reads", "paused", NULL};
    Module *module = PyType_GetModuleState(type);
    PyObject *holder;
    int in_fd, out_fd, batch_reads, paused;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!iiip:Splice", names, module->splicer_type, &holder, &in_fd,
                                     &out_fd, &batch_reads, &paused))
        return NULL;
    if (in_fd < 0 || batch_reads < 1) {
        PyErr_SetString(PyExc_ValueError, "a Splice needs a descriptor to read, and batches of one read or more");
        return NULL;
    }
    PySplice *self = (PySplice *)PyType_GenericAlloc(type, 0); /* all zero */
    if (self == NULL)
        return NULL;
    Py_INCREF(holder);
    self->holder = (PySplicer *)holder;
    self->splice.splicer = &self->holder->splicer;
    self->splice.in_fd = in_fd;
    self->splice.out_fd = out_fd;
    self->splice.most_batch_reads = (size_t)batch_reads;
    self->splice.paused = paused;
    int error = start_splice(&self->splice);
    if (error == 0)
        return (PyObject *)self;
    Py_DECREF(self);
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static void splice_dealloc(PySplice *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    stop_splice(&self->splice);
    Py_DECREF(self->holder);
    drop_haul(&self->splice.haul);
    free(self->splice.template.text);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *kept_times(const Haul *haul)
{
    PyObject *times_ns = PyList_New((Py_ssize_t)haul->reads);
    for (size_t i = 0; times_ns != NULL && i < haul->reads; i++) {
        PyObject *at_ns = PyLong_FromLongLong(haul->read_times_ns[i]);
        if (at_ns == NULL)
            Py_CLEAR(times_ns);
        else
            PyList_SetItem(times_ns, (Py_ssize_t)i, at_ns);
    }
    return times_ns;
}

static PyObject *kept_reads(const Haul *haul)
{
    const char *at = haul->bytes;
    PyObject *reads = PyList_New((Py_ssize_t)haul->reads);
    for (size_t i = 0; reads != NULL && i < haul->reads; at += haul->read_bytes[i++]) {
        PyObject *data = PyBytes_FromStringAndSize(at, (Py_ssize_t)haul->read_bytes[i]);
        if (data == NULL)
            Py_CLEAR(reads);
        else
            PyList_SetItem(reads, (Py_ssize_t)i, data);
    }
    return reads;
}

static PyObject *splice_take(PySplice *self, PyObject *none)
{
    (void)none;
    Haul haul;
    int end = take_haul(&self->splice, &haul);
    PyObject *times_ns = kept_times(&haul), *reads = kept_reads(&haul), *taken = NULL;
    if (times_ns != NULL && reads != NULL)
        taken = Py_BuildValue("y#y#OOy#i", haul.events ? (char *)haul.times_ns : "",
                              (Py_ssize_t)(haul.events * sizeof *haul.times_ns), haul.events ? (char *)haul.chars : "",
                              (Py_ssize_t)(haul.events * sizeof *haul.chars), times_ns, reads,
                              haul.unsent_bytes ? haul.unsent : "", (Py_ssize_t)haul.unsent_bytes, end);
    Py_XDECREF(times_ns);
    Py_XDECREF(reads);
    drop_haul(&haul);
    return taken;
}

static PyObject *splice_take_events(PySplice *self, PyObject *none)
{
    (void)none;
    Haul haul;
    size_t reads = take_events(&self->splice, &haul);
    PyObject *taken = Py_BuildValue("y#y#n", haul.events ? (char *)haul.times_ns : "",
                                    (Py_ssize_t)(haul.events * sizeof *haul.times_ns),
                                    haul.events ? (char *)haul.chars : "",
                                    (Py_ssize_t)(haul.events * sizeof *haul.chars), (Py_ssize_t)reads);
    drop_haul(&haul);
    return taken;
}

static PyObject *splice_arm(PySplice *self, PyObject *arguments)
{
    const char *prefix, *suffix;
    Py_ssize_t prefix_bytes, suffix_bytes;
    int chunked;
    if (!PyArg_ParseTuple(arguments, "y#y#p:arm", &prefix, &prefix_bytes, &suffix, &suffix_bytes, &chunked))
        return NULL;
    if (suffix_bytes == 0 || suffix[0] != '"') {
        PyErr_SetString(PyExc_ValueError, "a template's suffix begins with the quote that ends its text");
        return NULL;
    }
    Arming arming = arm_splice(&self->splice, prefix, (size_t)prefix_bytes, suffix, (size_t)suffix_bytes, chunked);
    return arming == NO_MEMORY ? PyErr_NoMemory() : PyBool_FromLong(arming == ARMED);
}

static PyObject *splice_pause(PySplice *self, PyObject *none)
{
    (void)none;
    pause_splice(&self->splice);
    Py_RETURN_NONE;
}

static PyObject *splice_resume(PySplice *self, PyObject *none)
{
    (void)none;
    resume_splice(&self->splice);
    Py_RETURN_NONE;
}

static PyObject *splice_begin(PySplice *self, PyObject *none)
{
    (void)none;
    begin_answer(&self->splice);
    Py_RETURN_NONE;
}

static PyObject *splice_expect(PySplice *self, PyObject *reads_object)
{
    long batch_reads = PyLong_AsLong(reads_object);
    if (batch_reads < 1) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "expect(batch_reads) must be at least 1");
        return NULL;
    }
    expect_reads(&self->splice, (size_t)batch_reads);
    Py_RETURN_NONE;
}

static PyObject *splice_stop(PySplice *self, PyObject *none)
{
    (void)none;
    stop_splice(&self->splice);
    Py_RETURN_NONE;
}

static PyObject *splice_last_read_ns(PySplice *self, void *none)
{
    (void)none;
    return PyLong_FromLongLong(last_read_ns(&self->splice));
}

static PyObject *splice_stirred(PySplice *self, void *none)
{
    (void)none;
    return PyBool_FromLong(is_stirred(&self->splice));
}

/* Gaps ----------------------------------------------------------------------------------------------------------- */

static PyObject *module_count_gaps(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer times, bounds, counts;
    Py_ssize_t first, last;
    if (!PyArg_ParseTuple(arguments, "y*nny*w*:count_gaps", &times, &first, &last, &bounds, &counts))
        return NULL;
    size_t bounds_number = (size_t)bounds.len / sizeof(int64_t);
    int fits = 1 <= first && first <= last && last <= times.len / (Py_ssize_t)sizeof(int64_t) &&
               counts.len == (Py_ssize_t)((bounds_number + 1) * sizeof(uint64_t));
    if (fits)
        count_gaps(times.buf, (size_t)first, (size_t)last, bounds.buf, bounds_number, counts.buf);
    PyBuffer_Release(&times);
    PyBuffer_Release(&bounds);
    PyBuffer_Release(&counts);
    if (fits)
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "count_gaps(times, first, last, bounds, counts): 1 <= first <= last <= times, and "
                                      "counts one longer than bounds");
    return NULL;
}

/* The module ----------------------------------------------------------------------------------------------------- */

static PyMethodDef module_methods[] = {
    {"count_gaps", (PyCFunction)module_count_gaps, METH_VARARGS,
     "(times, first, last, bounds, counts), all of 64 bits: see metrics/gaps.py."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef splicer_methods[] = {
    {"fileno", (PyCFunction)splicer_fileno, METH_NOARGS, "Readable while a Splice needs Python."},
    {"ready", (PyCFunction)splicer_ready, METH_O, "The in_fd of up to so many Splices that need Python."},
    {"splices", (PyCFunction)splicer_splices, METH_NOARGS, "How many are on their way."},
    {"lateness", (PyCFunction)splicer_lateness, METH_NOARGS,
     "Since the last time: {so many us after the kernel's stamp: so many reads}, and how many reads had none."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot splicer_slots[] = {
    {Py_tp_doc, "A thread that carries streamed answers."},
    {Py_tp_new, splicer_new},
    {Py_tp_dealloc, splicer_dealloc},
    {Py_tp_methods, splicer_methods},
    {0, NULL},
};

static PyType_Spec splicer_spec = {"imaxproxy.wire._splice.Splicer", sizeof(PySplicer), 0, Py_TPFLAGS_DEFAULT,
                                   splicer_slots};

static PyMethodDef splice_methods[] = {
    {"take", (PyCFunction)splice_take, METH_NOARGS,
     "(times_ns and chars of recognised events, as int64 and int32 arrays; times_ns and bytes of kept reads, which came "
     "behind them; what the client's socket did not take; how the connection ended: -1 not, 0 closed, or an errno)"},
    {"take_events", (PyCFunction)splice_take_events, METH_NOARGS,
     "(times_ns and chars of recognised events; how many kept reads wait behind them); all else stays as it is."},
    {"arm", (PyCFunction)splice_arm, METH_VARARGS,
     "Recognise events like (prefix, suffix, chunked); False while kept reads wait to be taken."},
    {"pause", (PyCFunction)splice_pause, METH_NOARGS, "Read and write nothing from now on."},
    {"resume", (PyCFunction)splice_resume, METH_NOARGS, "Go on, behind what was taken."},
    {"begin", (PyCFunction)splice_begin, METH_NOARGS, "Another answer follows; without a client's socket only."},
    {"expect", (PyCFunction)splice_expect, METH_O, "Its head was read: from now on so many reads may wait, at most."},
    {"stop", (PyCFunction)splice_stop, METH_NOARGS, "For good; the descriptors are the caller's again."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef splice_properties[] = {
    {"last_read_ns", (getter)splice_last_read_ns, NULL, "When the newest bytes came, else when it began.", NULL},
    {"stirred", (getter)splice_stirred, NULL, "Something has come that nobody has taken, or the end.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot splice_slots[] = {
    {Py_tp_doc, "One answer on its way."},
    {Py_tp_new, splice_new},
    {Py_tp_dealloc, splice_dealloc},
    {Py_tp_methods, splice_methods},
    {Py_tp_getset, splice_properties},
    {0, NULL},
};

static PyType_Spec splice_spec = {"imaxproxy.wire._splice.Splice", sizeof(PySplice), 0, Py_TPFLAGS_DEFAULT, splice_slots};

static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type == NULL ? -1 : PyModule_AddType(module, *type);
}

static int execute(PyObject *module)
{
    Module *state = PyModule_GetState(module);
    if (add_type(module, &splicer_spec, &state->splicer_type) < 0)
        return -1;
    if (add_type(module, &splice_spec, &state->splice_type) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "sources_crc", SOURCES_CRC); /* defined by hatch_build.py */
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    Module *state = PyModule_GetState(module);
    Py_VISIT(state->splicer_type);
    Py_VISIT(state->splice_type);
    return 0;
}

static int clear(PyObject *module)
{
    Module *state = PyModule_GetState(module);
    Py_CLEAR(state->splicer_type);
    Py_CLEAR(state->splice_type);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "imaxproxy.wire._splice",
    .m_doc = "Streamed answers carried without Python; see wire/splice.py and splicer.h.",
    .m_size = sizeof(Module),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__splice(void)
{
    return PyModuleDef_Init(&definition);
}
