//! TorchScript archives, taken apart by running them once. `script.cpp` is the other side of this module.
//!
//! Loading a TorchScript archive can run its own code (`__setstate__`); the caller looks at the
//! archive first. Taking it apart runs it once, and asks the caller about each operator before.
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
        allowed: extern "C" fn(*mut c_void, *const c_char) -> c_int,
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

    /// The program for images `[1, 3, height, width]`: its operator calls as JSON, and its tensors
    /// by name. Only operators that are allowed, given as `aten::conv2d`, are run.
    ///
    /// # Errors
    /// Why it has no such list: to be read after "it cannot be used: ".
    pub fn lower(
        &self,
        height: i64,
        width: i64,
        allowed: fn(&str) -> bool,
    ) -> Result<(String, Vec<(String, Tensor)>), String> {
        struct Taker {
            tensors: Vec<(String, Tensor)>,
            allowed: fn(&str) -> bool,
        }
        extern "C" fn take(taker: *mut c_void, name: *const c_char, tensor: *mut C_tensor) {
            // SAFETY: `taker` is the value below, which nothing else uses during the call; the name
            // is a C string, and the tensor is new on the heap and passes to tch.
            unsafe {
                let taker = &mut *taker.cast::<Taker>();
                taker.tensors.push((text(name), Tensor::from_ptr(tensor)));
            }
        }
        extern "C" fn is_allowed(taker: *mut c_void, operator: *const c_char) -> c_int {
            // SAFETY: as above.
            unsafe { c_int::from(((*taker.cast::<Taker>()).allowed)(&text(operator))) }
        }
        let mut taker = Taker {
            tensors: Vec::new(),
            allowed,
        };
        // SAFETY: the handle lives as long as `self`; the functions get the value that is passed here.
        let worked = unsafe {
            gradcam_script_lower(
                self.0.as_ptr(),
                height,
                width,
                (&raw mut taker).cast(),
                take,
                is_allowed,
            )
        };
        if worked == 0 {
            return Err(error_text());
        }
        Ok((self.text(), taker.tensors))
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
