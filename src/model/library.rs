//! Library: the libtorch that this program runs on, looked at from inside.

use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::device;

/// What is known of it. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// "2.13.0+cu130"; `None` where its folder does not say.
    pub version: Option<String>,
    /// The CUDA that its CUDA half is made for, where that half is there.
    pub cuda: Option<String>,
    /// The folder with `lib` and `include`.
    pub folder: Option<PathBuf>,
    /// Threads that one operation is spread over.
    pub threads: i32,
    /// Why it does not compute, where it does not.
    pub failure: Option<String>,
}

/// The GPUs that it can use, and the driver's words. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuda {
    /// How many, or why there is none.
    pub gpus: Result<usize, String>,
    /// Version of NVIDIA's driver as the kernel states it.
    pub driver: Option<String>,
}

/// Looks at libtorch and adds two numbers with it.
pub fn library() -> Library {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let folder = loaded_from(&maps);
    Library {
        version: folder.as_deref().and_then(version),
        cuda: folder.as_deref().and_then(cuda_version),
        folder,
        threads: tch::get_num_threads(),
        failure: failure(),
    }
}

/// Looks for GPUs; loads libtorch's CUDA half where there is a driver.
pub fn cuda() -> Cuda {
    let driver = std::fs::read_to_string("/proc/driver/nvidia/version").ok();
    Cuda {
        gpus: device::gpus(),
        driver: driver.and_then(|text| text.lines().next().map(str::to_owned)),
    }
}

fn failure() -> Option<String> {
    let sum = || {
        let ones = Tensor::f_ones([2], (Kind::Float, tch::Device::Cpu))?;
        f64::try_from(ones.f_sum(Kind::Float)?)
    };
    match sum() {
        Ok(sum) if (sum - 2.0).abs() < 1e-6 => None,
        Ok(sum) => Some(format!("1 + 1 is {sum}")),
        Err(error) => Some(error.to_string()),
    }
}

/// The folder around `lib/libtorch_cpu.so`, from the list of what is mapped into this process.
fn loaded_from(maps: &str) -> Option<PathBuf> {
    let library = maps
        .lines()
        .filter_map(|line| line.find('/').and_then(|start| line.get(start..)))
        .find(|path| path.ends_with("/libtorch_cpu.so"))?;
    Some(Path::new(library).parent()?.parent()?.to_owned())
}

/// A wheel of PyTorch has `version.py`, libtorch's own archive `build-version`.
fn version(folder: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    if let Some(text) = read("build-version") {
        return Some(text.trim().to_owned());
    }
    let text = read("version.py")?;
    let quoted = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(quoted.trim_matches(['\'', '"']).to_owned())
}

/// "13.0"
fn cuda_version(folder: &Path) -> Option<String> {
    if !folder.join("lib/libtorch_cuda.so").exists() {
        return None;
    }
    let told = std::fs::read_to_string(folder.join("version.py")).unwrap_or_default();
    let line = |line: &str| line.starts_with("cuda:").then(|| line.to_owned());
    let line = told.lines().find_map(line).unwrap_or_default();
    let quoted = line.split(['\'', '"']).nth(1);
    Some(quoted.unwrap_or("of unknown version").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_that_runs_is_found_and_computes() {
        let library = library();
        assert_eq!(library.failure, None);
        assert!(library.folder.unwrap().join("lib/libtorch_cpu.so").exists());
        assert!(library.threads >= 1);
    }

    #[test]
    fn its_version_is_read_from_either_kind_of_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version(folder.path()), None);
        let wheel = "from typing import Optional\n__version__ = '2.13.0+cu130'\ndebug = False\n";
        std::fs::write(folder.path().join("version.py"), wheel).unwrap();
        assert_eq!(version(folder.path()).as_deref(), Some("2.13.0+cu130"));
        std::fs::write(folder.path().join("build-version"), "2.13.0+cpu\n").unwrap();
        assert_eq!(version(folder.path()).as_deref(), Some("2.13.0+cpu"));
    }

    #[test]
    fn cuda_is_told_where_its_half_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let told = "cuda: Optional[str] = '13.0'\n";
        std::fs::write(folder.path().join("version.py"), told).unwrap();
        assert_eq!(cuda_version(folder.path()), None);
        std::fs::create_dir(folder.path().join("lib")).unwrap();
        std::fs::write(folder.path().join("lib/libtorch_cuda.so"), "").unwrap();
        assert_eq!(cuda_version(folder.path()).as_deref(), Some("13.0"));
    }

    #[test]
    fn only_the_path_of_the_library_itself_counts() {
        let maps = "7f00-7f01 r--p 0 08:01 7 /opt/a b/torch/lib/libtorch.so\n\
                    7f01-7f02 r-xp 0 08:01 7 /opt/a b/torch/lib/libtorch_cpu.so\n";
        assert_eq!(loaded_from(maps), Some(PathBuf::from("/opt/a b/torch")));
        assert_eq!(loaded_from("7f00-7f01 rw-p 0 00:00 0 [heap]\n"), None);
    }
}
