//! Any operator of libtorch, called by name.
//!
//! A graph names its operators as PyTorch does (`aten::conv2d`). libtorch's dispatcher finds them
//! and runs them on any device, with autograd. `dispatch.cpp` is the other side of this module;
//! together they hold the only unsafe code that touches tensors.
#![expect(
    unsafe_code,
    reason = "calls into C++; the safe interface is all that leaves this module"
)]

use std::ffi::{CStr, CString, c_char, c_int};
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
    fn gradcam_operator_call(handle: *mut Handle, arguments: *const *mut Value) -> *mut C_tensor;
    fn gradcam_value_tensor(tensor: *const C_tensor) -> *mut Value;
    fn gradcam_value_none() -> *mut Value;
    fn gradcam_value_int(value: i64) -> *mut Value;
    fn gradcam_value_float(value: f64) -> *mut Value;
    fn gradcam_value_bool(value: c_int) -> *mut Value;
    fn gradcam_value_ints(values: *const i64, count: c_int) -> *mut Value;
    fn gradcam_value_free(value: *mut Value);
}

/// libtorch refused a call; its own words, without the trace.
#[derive(Debug, thiserror::Error)]
#[error("{operator}: {message}")]
pub struct DispatchError {
    pub operator: String,
    pub message: String,
}

/// What an operator can be given.
#[derive(Debug)]
pub enum Argument<'a> {
    Tensor(&'a Tensor),
    None,
    Int(i64),
    Float(f64),
    Bool(bool),
    Ints(&'a [i64]),
}

/// An operator that libtorch has registered, with the names of its arguments.
#[derive(Debug)]
pub struct Operator {
    handle: NonNull<Handle>,
    name: String,
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
            arguments,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the schema has the argument of this name.
    pub fn position(&self, argument: &str) -> Option<usize> {
        self.arguments.iter().position(|name| name == argument)
    }

    /// Runs the operator. `arguments` are pairs of a position in the schema and a value; the
    /// others take their defaults.
    ///
    /// # Errors
    /// When libtorch refuses: a shape that does not fit, a missing argument, no memory.
    pub fn call(&self, arguments: &[(usize, Argument<'_>)]) -> Result<Tensor, DispatchError> {
        let boxed: Vec<(usize, Boxed)> = arguments
            .iter()
            .map(|(at, value)| (*at, Boxed::new(value)))
            .collect();
        let mut slots = vec![null_mut(); self.arguments.len()];
        for (at, value) in &boxed {
            *slots
                .get_mut(*at)
                .ok_or_else(|| self.failed("too many arguments".to_owned()))? = value.0;
        }
        // SAFETY: one slot for each argument of the schema, each null or a live value.
        let output = unsafe { gradcam_operator_call(self.handle.as_ptr(), slots.as_ptr()) };
        if output.is_null() {
            return Err(self.failed(error_text()));
        }
        // SAFETY: a new tensor on the heap, whose ownership passes to tch.
        Ok(unsafe { Tensor::from_ptr(output) })
    }

    fn failed(&self, message: String) -> DispatchError {
        DispatchError {
            operator: self.name.clone(),
            message,
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // SAFETY: the handle came from `gradcam_operator_find` and is freed once.
        unsafe { gradcam_operator_free(self.handle.as_ptr()) }
    }
}

impl Boxed {
    fn new(argument: &Argument<'_>) -> Self {
        // SAFETY: each constructor copies what it is given.
        Self(unsafe {
            match argument {
                Argument::Tensor(tensor) => gradcam_value_tensor(tensor.as_ptr()),
                Argument::None => gradcam_value_none(),
                Argument::Int(value) => gradcam_value_int(*value),
                Argument::Float(value) => gradcam_value_float(*value),
                Argument::Bool(value) => gradcam_value_bool(c_int::from(*value)),
                Argument::Ints(values) => gradcam_value_ints(
                    values.as_ptr(),
                    c_int::try_from(values.len()).unwrap_or(c_int::MAX),
                ),
            }
        })
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        // SAFETY: the value came from one of the constructors and is freed once.
        unsafe { gradcam_value_free(self.0) }
    }
}

fn error_text() -> String {
    // SAFETY: a C string that lives until the next error on this thread.
    unsafe { text(gradcam_error()) }
}

/// # Safety
/// `pointer` is a valid C string.
unsafe fn text(pointer: *const c_char) -> String {
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
        assert_eq!(Vec::<f32>::try_from(sum).unwrap(), [2.0, 4.0]);
    }

    #[test]
    fn gradients_flow_through_a_dispatched_operator() {
        let multiply = Operator::find("aten::mul", "Tensor").unwrap();
        let x = Tensor::from_slice(&[3.0_f32]).set_requires_grad(true);
        let square = multiply
            .call(&[(0, Argument::Tensor(&x)), (1, Argument::Tensor(&x))])
            .unwrap();
        let gradient = Tensor::run_backward(&[square], &[&x], false, false);
        assert_eq!(Vec::<f32>::try_from(&gradient[0]).unwrap(), [6.0]);
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
