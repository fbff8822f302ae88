//! Compiles the stand-in's own reading of Modal's protocol, without `protoc`.
#![allow(clippy::print_stdout, reason = "a build script talks to cargo on its standard output")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/modal.proto", "proto/router.proto"], ["proto"])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(files)?;
    Ok(())
}
