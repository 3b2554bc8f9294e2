//! TorchScript archives, simplified by libtorch. `script.cpp` is the other side of this module.
//!
//! Loading a TorchScript archive can run its own code (`__setstate__`), and simplifying it runs
//! what is constant; the caller looks at the archive first, and at the operators before
//! [`Script::lower`].
#![expect(
    unsafe_code,
    reason = "calls into C++; the safe interface is all that leaves this module"
)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::NonNull;

use tch::Tensor;
use torch_sys::C_tensor;

use super::dispatch::{error_text, text};

#[repr(C)]
struct Handle {
    private: [u8; 0],
}

unsafe extern "C" {
    fn gradcam_script_open(file: *const c_char) -> *mut Handle;
    fn gradcam_script_lower(
        script: *mut Handle,
        height: i64,
        width: i64,
        taker: *mut c_void,
        take: extern "C" fn(*mut c_void, *const c_char, *mut C_tensor),
    ) -> c_int;
    fn gradcam_script_text(script: *mut Handle) -> *const c_char;
    fn gradcam_script_free(script: *mut Handle);
}

/// A loaded archive.
#[derive(Debug)]
pub struct Script(NonNull<Handle>);

impl Script {
    /// # Errors
    /// libtorch's own words.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = path.to_str().ok_or("its name is not valid text")?;
        let file = CString::new(file).map_err(|_| "its name has a zero byte")?;
        // SAFETY: a valid C string for the length of the call.
        NonNull::new(unsafe { gradcam_script_open(file.as_ptr()) })
            .map(Self)
            .ok_or_else(error_text)
    }

    /// All operators that the program has, branches not taken included: `aten::conv2d`.
    pub fn operators(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// The program for images `[1, 3, height, width]`: its operator calls as JSON, and its tensors
    /// by name.
    ///
    /// # Errors
    /// What is left in it that is no call of an operator.
    pub fn lower(
        &self,
        height: i64,
        width: i64,
    ) -> Result<(String, Vec<(String, Tensor)>), String> {
        extern "C" fn take(tensors: *mut c_void, name: *const c_char, tensor: *mut C_tensor) {
            // SAFETY: `tensors` is the vector below, which nothing else uses during the call; the
            // name is a C string, and the tensor is new on the heap and passes to tch.
            unsafe {
                let tensors = &mut *tensors.cast::<Vec<(String, Tensor)>>();
                tensors.push((text(name), Tensor::from_ptr(tensor)));
            }
        }
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        // SAFETY: the handle lives as long as `self`; `take` gets the vector that is passed here.
        let worked = unsafe {
            gradcam_script_lower(
                self.0.as_ptr(),
                height,
                width,
                (&raw mut tensors).cast(),
                take,
            )
        };
        if worked == 0 {
            return Err(error_text());
        }
        Ok((self.text(), tensors))
    }

    fn text(&self) -> String {
        // SAFETY: the text lives until the next call on the handle, and is copied.
        unsafe { text(gradcam_script_text(self.0.as_ptr())) }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // SAFETY: the handle came from `gradcam_script_open` and is freed once.
        unsafe { gradcam_script_free(self.0.as_ptr()) }
    }
}
