//! Compiles the C++ side of `model/dispatch.rs` and `model/script.rs` and tells the program where to find libtorch.
//!
//! `torch-sys` passes the folder with libtorch's libraries as `DEP_TCH_LIBTORCH_LIB`. The headers
//! lie beside it. The program looks for its libraries first beside an installed binary
//! (`PREFIX/lib/gradcam/torch/lib`), then where it was built.

use std::path::Path;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo talks to build scripts by the environment"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for file in ["dispatch.cpp", "script.cpp", "guarded.h"] {
        println!("cargo::rerun-if-changed=src/model/{file}");
    }
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        println!("cargo::error=torch-sys does not say where libtorch is; run `make setup` first");
        return;
    };
    let lib = Path::new(&lib);
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/gradcam/torch/lib");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());

    let Some(root) = lib.parent() else {
        println!(
            "cargo::error=libtorch's folder {} has no parent",
            lib.display()
        );
        return;
    };
    let include = root.join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .warnings(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(["src/model/dispatch.cpp", "src/model/script.cpp"])
        .compile("gradcam_dispatch");
}
