//! Any operator of libtorch, called by name.
//!
//! A graph names its operators as PyTorch does (`aten::conv2d`). libtorch's dispatcher finds them
//! and runs them on any device, with autograd. `dispatch.cpp` is the other side of this module;
//! together they hold the only unsafe code that touches tensors.
#![expect(
    unsafe_code,
    reason = "calls into C++; the safe interface is all that leaves this module"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{NonNull, null_mut};

use tch::Tensor;
use torch_sys::C_tensor;

#[repr(C)]
struct Handle {
    private: [u8; 0],
}

#[repr(C)]
struct Value {
    private: [u8; 0],
}

unsafe extern "C" {
    fn gradcam_error() -> *const c_char;
    fn gradcam_operator_find(name: *const c_char, overload: *const c_char) -> *mut Handle;
    fn gradcam_operator_free(handle: *mut Handle);
    fn gradcam_operator_arguments(handle: *mut Handle) -> c_int;
    fn gradcam_operator_argument(handle: *mut Handle, index: c_int) -> *const c_char;
    fn gradcam_operator_writes(handle: *mut Handle) -> c_int;
    fn gradcam_operator_views(handle: *mut Handle) -> c_int;
    fn gradcam_operator_call(
        handle: *mut Handle,
        arguments: *const *mut Value,
        taker: *mut c_void,
        take: extern "C" fn(*mut c_void, *mut C_tensor),
    ) -> c_int;
    fn gradcam_value_tensor(tensor: *const C_tensor) -> *mut Value;
    fn gradcam_value_none() -> *mut Value;
    fn gradcam_value_int(value: i64) -> *mut Value;
    fn gradcam_value_float(value: f64) -> *mut Value;
    fn gradcam_value_bool(value: c_int) -> *mut Value;
    fn gradcam_value_string(text: *const c_char) -> *mut Value;
    fn gradcam_value_ints(values: *const i64, count: c_int) -> *mut Value;
    fn gradcam_value_floats(values: *const f64, count: c_int) -> *mut Value;
    fn gradcam_value_tensors(tensors: *const *mut C_tensor, count: c_int) -> *mut Value;
    fn gradcam_value_free(value: *mut Value);
    fn gradcam_tensor_is_mapped(tensor: *const C_tensor) -> c_int;
    fn gradcam_heap_trim();
    fn gradcam_gpu_is_exact() -> c_int;
    fn gradcam_gpu_stream(gpu: c_int) -> c_int;
    fn gradcam_tensor_release(tensor: *const C_tensor);
}

/// libtorch refused a call; its own words, without the trace.
#[derive(Debug, thiserror::Error)]
#[error("{operator}: {message}")]
pub struct DispatchError {
    pub operator: String,
    pub message: String,
}

/// What an operator can be given. It is fitted to the schema's type: a number becomes a tensor or
/// a list of one where the schema asks for that.
#[derive(Debug)]
pub enum Argument<'a> {
    Tensor(&'a Tensor),
    None,
    /// Also a kind, a layout or a memory format, by c10's numbers.
    Int(i64),
    Float(f64),
    Bool(bool),
    Str(&'a str),
    Ints(&'a [i64]),
    Floats(&'a [f64]),
    /// A list of tensors, where some may be absent.
    Tensors(Vec<Option<&'a Tensor>>),
}

/// An operator that libtorch has registered, with the names of its arguments.
#[derive(Debug)]
pub struct Operator {
    handle: NonNull<Handle>,
    name: String,
    overload: String,
    arguments: Vec<String>,
}

/// A value on the C++ side, freed with its owner.
struct Boxed(*mut Value);

impl Operator {
    /// Finds `aten::conv2d` and the like; `overload` is `""` for the default one.
    ///
    /// # Errors
    /// When libtorch has no such operator.
    pub fn find(name: &str, overload: &str) -> Result<Self, DispatchError> {
        let failed = |message: String| DispatchError {
            operator: name.to_owned(),
            message,
        };
        let c_name =
            CString::new(name).map_err(|_| failed("the name has a zero byte".to_owned()))?;
        let c_overload = CString::new(overload)
            .map_err(|_| failed("the overload has a zero byte".to_owned()))?;
        // SAFETY: both are valid C strings for the length of the call.
        let handle = unsafe { gradcam_operator_find(c_name.as_ptr(), c_overload.as_ptr()) };
        let handle = NonNull::new(handle).ok_or_else(|| failed(error_text()))?;
        // SAFETY: the handle is not null, and the index below is within the number of arguments.
        let arguments = unsafe {
            (0..gradcam_operator_arguments(handle.as_ptr()))
                .map(|i| text(gradcam_operator_argument(handle.as_ptr(), i)))
                .collect()
        };
        Ok(Self {
            handle,
            name: name.to_owned(),
            overload: overload.to_owned(),
            arguments,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is after the dot in `add.Tensor`.
    pub fn overload(&self) -> &str {
        &self.overload
    }

    /// Where the schema has the argument of this name.
    pub fn position(&self, argument: &str) -> Option<usize> {
        self.arguments.iter().position(|name| name == argument)
    }

    /// Where the schema has the argument that the operator writes to.
    pub fn writes(&self) -> Option<usize> {
        // SAFETY: the handle lives as long as `self`.
        usize::try_from(unsafe { gradcam_operator_writes(self.handle.as_ptr()) }).ok()
    }

    /// Where the schema has the argument whose storage an output may share.
    pub fn views(&self) -> Option<usize> {
        // SAFETY: the handle lives as long as `self`.
        usize::try_from(unsafe { gradcam_operator_views(self.handle.as_ptr()) }).ok()
    }

    /// Runs the operator. `arguments` are pairs of a position in the schema and a value; the
    /// others take their defaults. Gives all tensors of the outputs, those in lists one by one.
    ///
    /// # Errors
    /// When libtorch refuses: a shape that does not fit, a missing argument, no memory.
    pub fn call(&self, arguments: &[(usize, Argument<'_>)]) -> Result<Vec<Tensor>, DispatchError> {
        extern "C" fn take(outputs: *mut c_void, tensor: *mut C_tensor) {
            // SAFETY: `outputs` is the vector below, which nothing else uses during the call; the
            // tensor is new on the heap, and its ownership passes to tch.
            unsafe { (*outputs.cast::<Vec<Tensor>>()).push(Tensor::from_ptr(tensor)) }
        }
        let boxed = arguments
            .iter()
            .map(|(at, value)| Ok((*at, Boxed::new(value).map_err(|text| self.failed(text))?)))
            .collect::<Result<Vec<(usize, Boxed)>, DispatchError>>()?;
        let mut slots = vec![null_mut(); self.arguments.len()];
        for (at, value) in &boxed {
            *slots
                .get_mut(*at)
                .ok_or_else(|| self.failed("too many arguments".to_owned()))? = value.0;
        }
        let mut outputs: Vec<Tensor> = Vec::new();
        // SAFETY: one slot for each argument of the schema, each null or a live value.
        let worked = unsafe {
            gradcam_operator_call(
                self.handle.as_ptr(),
                slots.as_ptr(),
                (&raw mut outputs).cast(),
                take,
            )
        };
        if worked == 0 {
            return Err(self.failed(error_text()));
        }
        Ok(outputs)
    }

    fn failed(&self, message: String) -> DispatchError {
        DispatchError {
            operator: self.name.clone(),
            message,
        }
    }
}

/// Whether a tensor is part of a mapped file ([`super::mapped`]).
pub fn is_mapped(tensor: &Tensor) -> bool {
    // SAFETY: the tensor lives for the length of the call.
    unsafe { gradcam_tensor_is_mapped(tensor.as_ptr()) != 0 }
}

/// Lets a tensor's part of a mapped file leave the memory.
/// The tensor stays as it is: its numbers are read from the file again when they are used again.
/// Does nothing to other tensors.
pub fn release(tensor: &Tensor) {
    if is_mapped(tensor) {
        // SAFETY: the tensor lives for the length of the call. Its pages are those of a file that
        // nothing writes to, so they come back as they were.
        unsafe { gradcam_tensor_release(tensor.as_ptr()) }
    }
}

/// Lets what was freed on the heap leave the memory; the system has work with getting it back.
pub fn trim_heap() {
    // SAFETY: it takes nothing and changes nothing that is in use.
    unsafe { gradcam_heap_trim() }
}

/// From now on GPUs give the numbers that float32 has, and the same each time: by default libtorch
/// rounds the factors of convolutions to TF32 (3 digits), and lets cuDNN add in any order.
///
/// # Errors
/// When libtorch refuses.
pub fn make_gpus_exact() -> Result<(), String> {
    // SAFETY: it takes nothing and sets flags.
    if unsafe { gradcam_gpu_is_exact() } == 1 {
        Ok(())
    } else {
        Err(error_text())
    }
}

/// A copy in memory that a GPU reads by itself, while the processor goes on. libtorch's CUDA half
/// must be loaded.
///
/// # Errors
/// When the system gives no such memory.
pub fn pinned(tensor: &Tensor) -> Result<Tensor, DispatchError> {
    // tch's own function names the device, of which libtorch warns each time.
    let pin = Operator::find("aten::pin_memory", "")?;
    let copies = pin.call(&[(0, Argument::Tensor(tensor))])?;
    copies
        .into_iter()
        .next()
        .ok_or_else(|| pin.failed("it gave nothing".to_owned()))
}

/// What this thread asks of a GPU from now on runs beside what other threads ask of it. libtorch's
/// CUDA half must be loaded.
///
/// # Errors
/// When the GPU refuses.
pub fn use_own_stream(gpu: usize) -> Result<(), String> {
    let gpu = c_int::try_from(gpu).map_err(|_| "there are not so many GPUs")?;
    // SAFETY: it changes what this thread asks from now on, no more.
    if unsafe { gradcam_gpu_stream(gpu) } == 1 {
        Ok(())
    } else {
        Err(error_text())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // SAFETY: the handle came from `gradcam_operator_find` and is freed once.
        unsafe { gradcam_operator_free(self.handle.as_ptr()) }
    }
}

impl Boxed {
    fn new(argument: &Argument<'_>) -> Result<Self, String> {
        let count = |length: usize| c_int::try_from(length).map_err(|_| "a list is too long");
        // SAFETY: each constructor copies what it is given.
        Ok(Self(unsafe {
            match argument {
                Argument::Tensor(tensor) => gradcam_value_tensor(tensor.as_ptr()),
                Argument::None => gradcam_value_none(),
                Argument::Int(value) => gradcam_value_int(*value),
                Argument::Float(value) => gradcam_value_float(*value),
                Argument::Bool(value) => gradcam_value_bool(c_int::from(*value)),
                Argument::Str(text) => {
                    let text = CString::new(*text).map_err(|_| "a text has a zero byte")?;
                    gradcam_value_string(text.as_ptr())
                }
                Argument::Ints(values) => gradcam_value_ints(values.as_ptr(), count(values.len())?),
                Argument::Floats(values) => {
                    gradcam_value_floats(values.as_ptr(), count(values.len())?)
                }
                Argument::Tensors(tensors) => {
                    let pointers: Vec<*mut C_tensor> = tensors
                        .iter()
                        .map(|tensor| {
                            tensor.map_or(null_mut(), |tensor| tensor.as_ptr().cast_mut())
                        })
                        .collect();
                    gradcam_value_tensors(pointers.as_ptr(), count(pointers.len())?)
                }
            }
        }))
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        // SAFETY: the value came from one of the constructors and is freed once.
        unsafe { gradcam_value_free(self.0) }
    }
}

pub(super) fn error_text() -> String {
    // SAFETY: a C string that lives until the next error on this thread.
    unsafe { text(gradcam_error()) }
}

/// # Safety
/// `pointer` is a valid C string.
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_runs_with_defaults_from_its_schema() {
        let add = Operator::find("aten::add", "Tensor").unwrap();
        assert_eq!(add.position("alpha"), Some(2));
        let one = Tensor::from_slice(&[1.0_f32, 2.0]);
        let sum = add
            .call(&[(0, Argument::Tensor(&one)), (1, Argument::Tensor(&one))])
            .unwrap();
        assert_eq!(Vec::<f32>::try_from(&sum[0]).unwrap(), [2.0, 4.0]);
    }

    #[test]
    fn gradients_flow_through_a_dispatched_operator() {
        let multiply = Operator::find("aten::mul", "Tensor").unwrap();
        let x = Tensor::from_slice(&[3.0_f32]).set_requires_grad(true);
        let square = multiply
            .call(&[(0, Argument::Tensor(&x)), (1, Argument::Tensor(&x))])
            .unwrap();
        let gradient = Tensor::run_backward(&square, &[&x], false, false);
        assert_eq!(Vec::<f32>::try_from(&gradient[0]).unwrap(), [6.0]);
    }

    #[test]
    fn every_tensor_of_a_list_comes_out_and_lists_with_gaps_go_in() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]);
        let chunk = Operator::find("aten::chunk", "").unwrap();
        let parts = chunk
            .call(&[(0, Argument::Tensor(&x)), (1, Argument::Int(2))])
            .unwrap();
        assert_eq!(Vec::<f32>::try_from(&parts[1]).unwrap(), [3.0, 4.0]);
        let cat = Operator::find("aten::cat", "").unwrap();
        let both = vec![Some(&parts[1]), Some(&parts[0])];
        let turned = cat.call(&[(0, Argument::Tensors(both))]).unwrap();
        assert_eq!(
            Vec::<f32>::try_from(&turned[0]).unwrap(),
            [3.0, 4.0, 1.0, 2.0]
        );
        let index = Operator::find("aten::index", "Tensor").unwrap();
        let (grid, place) = (x.view([2, 2]), Tensor::from_slice(&[1_i64]));
        let column = index
            .call(&[
                (0, Argument::Tensor(&grid)),
                (1, Argument::Tensors(vec![None, Some(&place)])),
            ])
            .unwrap();
        assert_eq!(
            Vec::<f32>::try_from(&column[0].view([-1])).unwrap(),
            [2.0, 4.0]
        );
    }

    #[test]
    fn a_number_stands_for_a_tensor_without_changing_the_kind_of_the_result() {
        let multiply = Operator::find("aten::mul", "Tensor").unwrap();
        let half = Tensor::from_slice(&[2.0_f32]).to_kind(tch::Kind::Half);
        let product = multiply
            .call(&[(0, Argument::Tensor(&half)), (1, Argument::Float(0.5))])
            .unwrap();
        assert_eq!(product[0].kind(), tch::Kind::Half);
        assert!((product[0].double_value(&[0]) - 1.0).abs() < f64::EPSILON);
        let gelu = Operator::find("aten::gelu", "").unwrap();
        let exact = gelu.call(&[(0, Argument::Tensor(&half))]).unwrap();
        let tanh = gelu
            .call(&[(0, Argument::Tensor(&half)), (1, Argument::Str("tanh"))])
            .unwrap();
        assert_eq!((exact.len(), tanh.len()), (1, 1));
    }

    #[test]
    fn what_libtorch_refuses_is_an_error_in_one_line() {
        let error = Operator::find("aten::no_such_thing", "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "aten::no_such_thing: libtorch has no such operator"
        );
        let matmul = Operator::find("aten::matmul", "").unwrap();
        let (a, b) = (
            Tensor::from_slice(&[1.0_f32, 2.0]),
            Tensor::from_slice(&[1.0_f32, 2.0, 3.0]),
        );
        let error = matmul
            .call(&[(0, Argument::Tensor(&a)), (1, Argument::Tensor(&b))])
            .unwrap_err();
        assert!(!error.to_string().contains("Exception raised"), "{error}");
        let error = matmul.call(&[(0, Argument::Tensor(&a))]).unwrap_err();
        assert_eq!(error.to_string(), "aten::matmul: argument other is missing");
    }
}
