//! Tells the fuzzers where to find libtorch; a dependency's link arguments do not reach them.

fn main() {
    match std::env::var("DEP_TCH_LIBTORCH_LIB") {
        Ok(lib) => println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}"),
        Err(_) => println!("cargo::error=torch-sys does not say where libtorch is; run `make setup` first"),
    }
}
