//! `scripts/libtorch.sh` with commands that only pretend: what it installs, and what it says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::here;

/// A machine with these commands and nothing else.
struct Machine {
    folder: TempDir,
}

/// Pretends to be pip: makes the files that count, and notes what it was asked for.
const PYTHON: &str = r#"
case "$*" in
*"-m pip --version") exit 0 ;;
*"-m pip install"*)
    echo "$*" >> pip.log
    while [ "$1" != --target ]; do shift; done
    mkdir -p "$2/torch/lib"
    [ -z "$FAKE_CUT" ] || exit 1
    : > "$2/torch/lib/libtorch_cpu.so"
    echo "__version__ = '${FAKE_VERSION:-2.13.0+cu130}'" > "$2/torch/version.py"
    ;;
*torch.__version__*) echo "${FAKE_VERSION:-2.13.0}" ;;
esac
"#;

impl Machine {
    fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(machine.folder.path().join("scripts")).unwrap();
        fs::create_dir_all(machine.folder.path().join("bin")).unwrap();
        fs::copy(
            here("scripts/libtorch.sh"),
            machine.folder.path().join("scripts/libtorch.sh"),
        )
        .unwrap();
        for command in ["dirname", "cat", "awk", "sed", "rm", "mv", "mkdir"] {
            let found = ["/usr/bin", "/bin"]
                .iter()
                .map(|folder| Path::new(folder).join(command));
            let real = found.into_iter().find(|path| path.exists()).unwrap();
            std::os::unix::fs::symlink(real, machine.folder.path().join("bin").join(command))
                .unwrap();
        }
        machine
            .command("uname", "echo \"${FAKE_SYSTEM:-Linux x86_64}\" | { read s m; [ $1 = -s ] && echo $s || echo $m; }")
            .command("df", "printf 'header\\nfs 1 1 %s 1%% /\\n' \"${FAKE_FREE:-99999999}\"")
            .command("cargo", "")
            .command("c++", "")
            .command("python3", PYTHON)
    }

    fn command(self, name: &str, body: &str) -> Self {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn without(self, name: &str) -> Self {
        fs::remove_file(self.folder.path().join("bin").join(name)).unwrap();
        self
    }

    fn set_up(&self, kind: &str, environment: &[(&str, &str)]) -> Output {
        Command::new("/bin/sh")
            .arg(self.folder.path().join("scripts/libtorch.sh"))
            .arg(kind)
            .env_clear()
            .env("PATH", self.folder.path().join("bin"))
            .envs(environment.iter().copied())
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.folder.path().join(path).exists()
    }

    /// The packages of each call of pip.
    fn installed(&self) -> Vec<String> {
        fs::read_to_string(self.folder.path().join("pip.log"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// The one sentence of a failure.
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("libtorch: "), "{text}");
    text
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_first_time_installs_and_the_second_time_does_nothing() {
    let machine = Machine::new();
    succeeded(&machine.set_up("cpu", &[]));
    assert!(
        machine.has(".libtorch/torch/lib/libtorch_cpu.so") && !machine.has(".libtorch.partial")
    );
    assert_eq!(machine.installed().len(), 1);
    assert!(machine.installed()[0].contains("--no-deps torch==2.13.0 nvidia-cuda-runtime=="));
    assert_eq!(succeeded(&machine.set_up("cpu", &[])), "");
    assert_eq!(machine.installed().len(), 1);
}

#[test]
fn cuda_takes_all_dependencies_and_serves_the_cpu_too() {
    let machine = Machine::new();
    succeeded(&machine.set_up("cpu", &[]));
    succeeded(&machine.set_up("cuda", &[]));
    assert!(!machine.installed()[1].contains("--no-deps"));
    succeeded(&machine.set_up("cpu", &[]));
    assert_eq!(machine.installed().len(), 2);
}

#[test]
fn a_driver_that_is_seen_means_cuda() {
    let machine = Machine::new().command("nvidia-smi", "exit 0");
    succeeded(&machine.set_up("auto", &[]));
    assert!(!machine.installed()[0].contains("--no-deps"));
}

#[test]
fn an_install_that_was_cut_short_is_not_used_and_done_again() {
    let machine = Machine::new();
    let error = failure(&machine.set_up("cpu", &[("FAKE_CUT", "1")]));
    assert!(
        error.contains("check the network") && error.contains("run this again"),
        "{error}"
    );
    assert!(!machine.has(".libtorch") && machine.has(".libtorch.partial"));
    succeeded(&machine.set_up("cpu", &[]));
    assert!(machine.has(".libtorch/installed") && !machine.has(".libtorch.partial"));
}

#[test]
fn what_is_missing_is_named_with_how_to_get_it() {
    for (command, words) in [
        ("cargo", "https://rustup.rs"),
        ("c++", "sudo apt install g++"),
        ("python3", "sudo apt install python3-pip"),
    ] {
        let error = failure(&Machine::new().without(command).set_up("cpu", &[]));
        assert!(error.contains(words), "{error}");
    }
    let error = failure(
        &Machine::new()
            .command("python3", "exit 1")
            .set_up("cpu", &[]),
    );
    assert!(error.contains("pip is missing"), "{error}");
    let error = failure(&Machine::new().set_up("cpu", &[("FAKE_FREE", "1048576")]));
    assert!(
        error.contains("1024 MiB are free here") && error.contains("make room"),
        "{error}"
    );
    let error = failure(&Machine::new().set_up("cpu", &[("FAKE_SYSTEM", "Darwin arm64")]));
    assert!(
        error.contains("no libtorch for Darwin arm64") && error.contains("set LIBTORCH"),
        "{error}"
    );
    let error = failure(&Machine::new().set_up("cpu", &[("FAKE_VERSION", "2.12.0")]));
    assert!(
        error.contains("is version 2.12.0, but gradcam needs 2.13.0"),
        "{error}"
    );
}

#[test]
fn a_libtorch_of_the_users_own_is_checked_and_left_alone() {
    let machine = Machine::new();
    let own = machine.folder.path().join("own");
    fs::create_dir_all(own.join("lib")).unwrap();
    let own = own.to_str().unwrap();
    let error = failure(&machine.set_up("auto", &[("LIBTORCH", own)]));
    assert!(error.contains("has no lib/libtorch_cpu.so"), "{error}");
    fs::write(format!("{own}/lib/libtorch_cpu.so"), "").unwrap();
    fs::write(format!("{own}/build-version"), "2.9.1+cpu\n").unwrap();
    let error = failure(&machine.set_up("auto", &[("LIBTORCH", own)]));
    assert!(
        error.contains("is version 2.9.1+cpu, but gradcam needs 2.13.0"),
        "{error}"
    );
    fs::write(format!("{own}/build-version"), "2.13.0+cpu\n").unwrap();
    assert!(succeeded(&machine.set_up("auto", &[("LIBTORCH", own)])).contains("using"));

    let pytorch = ("LIBTORCH_USE_PYTORCH", "1");
    assert!(succeeded(&machine.set_up("auto", &[pytorch])).contains("PyTorch of python3"));
    let error = failure(&machine.set_up("auto", &[pytorch, ("FAKE_VERSION", "1.8")]));
    assert!(
        error.contains("the PyTorch of python3 is version 1.8"),
        "{error}"
    );
    assert!(machine.installed().is_empty());
}
