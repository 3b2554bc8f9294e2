//! Device: the CPU or a GPU, and libtorch's CUDA half, loaded only when it is wanted.
//!
//! The program links libtorch's CPU half alone. `libtorch_cuda` must be loaded before libtorch is
//! first asked about CUDA, because it remembers the answer; [`open`] does so.

use std::str::FromStr;

use tch::{Cuda, Device};

use super::dispatch;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU where there is one.
    #[default]
    Auto,
    Cpu,
    /// A GPU, the first unless a number is given.
    Cuda(Option<usize>),
}

/// The device that was asked for is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("no GPU can be used ({0}); use --device cpu")]
    NoCuda(String),
    #[error("there is no GPU {wanted}; this machine has {count}, cuda:0 to cuda:{}", count - 1)]
    OutOfRange { wanted: usize, count: usize },
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(None)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(|number| Self::Cuda(Some(number)))
                .ok_or_else(|| "expected auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

/// The device to use, and a note where `auto` could not take a GPU.
///
/// # Errors
/// When a GPU was asked for by name and cannot be used.
pub fn open(choice: DeviceChoice) -> Result<(Device, Option<String>), DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok((Device::Cpu, None)),
        DeviceChoice::Cuda(number) => {
            let wanted = number.unwrap_or(0);
            let count = gpus().map_err(DeviceError::NoCuda)?;
            if wanted < count {
                Ok((Device::Cuda(wanted), None))
            } else {
                Err(DeviceError::OutOfRange { wanted, count })
            }
        }
        DeviceChoice::Auto => match gpus() {
            Ok(_) => Ok((Device::Cuda(0), None)),
            Err(reason) => Ok((Device::Cpu, Some(reason))),
        },
    }
}

/// Whether a GPU is used for this choice.
#[must_use]
pub fn is_gpu(choice: DeviceChoice) -> bool {
    matches!(open(choice), Ok((Device::Cuda(_), _)))
}

/// Spreads each operation that this thread asks for over so many cores.
pub fn use_threads(count: usize) {
    tch::set_num_threads(i32::try_from(count).unwrap_or(i32::MAX));
}

/// Lets what this thread asks of the GPU of a choice run beside what other threads ask of it.
///
/// # Errors
/// When the device cannot be used.
pub fn use_own_stream(choice: DeviceChoice) -> Result<(), DeviceError> {
    match open(choice)? {
        (Device::Cuda(gpu), _) => dispatch::use_own_stream(gpu).map_err(DeviceError::NoCuda),
        _ => Ok(()),
    }
}

/// "cpu" or "cuda:0".
#[must_use]
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".to_owned(),
    }
}

/// How many GPUs there are, at least one, or why there is none.
pub(super) fn gpus() -> Result<usize, String> {
    load("libcuda.so.1").map_err(|_| "no NVIDIA driver".to_owned())?;
    load("libtorch_cuda.so").map_err(|reason| format!("libtorch has no CUDA half ({reason})"))?;
    if !Cuda::is_available() {
        return Err("the NVIDIA driver reports no GPU that libtorch can use".to_owned());
    }
    dispatch::make_gpus_exact()?;
    usize::try_from(Cuda::device_count())
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| "no GPU".to_owned())
}

/// Loads a shared library for the rest of the program's life and makes its symbols known to all.
#[expect(
    unsafe_code,
    reason = "loading a library runs its start-up code; these two are made for it"
)]
fn load(library: &str) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: NVIDIA's driver and libtorch register themselves when they are loaded, no more.
    let loaded = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) };
    match loaded {
        Ok(library) => {
            // Closing it would take away what others have looked up in it.
            std::mem::forget(library);
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The devices whose numbers tests compare with references: the CPU, and the first GPU where there
/// is one.
#[cfg(test)]
pub(crate) fn tested() -> Vec<Device> {
    let (auto, _) = open(DeviceChoice::Auto).unwrap();
    let gpu = (auto != Device::Cpu).then_some(auto);
    [Device::Cpu].into_iter().chain(gpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_in_pytorch() {
        for (text, choice) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda", DeviceChoice::Cuda(None)),
            ("cuda:3", DeviceChoice::Cuda(Some(3))),
        ] {
            assert_eq!(text.parse(), Ok(choice));
        }
        for text in ["gpu", "cuda:", "cuda:-1", "CUDA"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_gpu_that_is_asked_for_is_used_or_refused_in_words_and_auto_always_works() {
        let (device, note) = open(DeviceChoice::Auto).unwrap();
        assert_eq!(note.is_some(), device == Device::Cpu);
        match open(DeviceChoice::Cuda(None)) {
            Ok((device, _)) => assert_eq!(device, Device::Cuda(0)),
            Err(error) => assert!(error.to_string().ends_with("use --device cpu"), "{error}"),
        }
    }
}
