//! The Rust beside the `.proto` files is what they give.

use std::path::Path;

/// Makes the Rust anew and compares. With `HF2MS_GENERATE=1` it is written instead.
#[test]
fn the_committed_code_is_what_the_protos_give() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = protox::compile(["modal.proto", "router.proto"], [&folder]).unwrap();
    let out = std::env::temp_dir().join(format!("hf2ms-proto-{}", std::process::id()));
    std::fs::create_dir_all(&out).unwrap();
    tonic_prost_build::configure().build_server(false).build_transport(false).btree_map(".").out_dir(&out).compile_fds(files).unwrap();
    for name in ["modal.client.rs", "modal.task_command_router.rs"] {
        let made = std::fs::read_to_string(out.join(name)).unwrap();
        if std::env::var_os("HF2MS_GENERATE").is_some() {
            std::fs::write(folder.join(name), &made).unwrap();
        }
        let kept = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(made == kept, "proto/{name} is not what its proto gives; run this test with HF2MS_GENERATE=1 and commit what it writes");
    }
    std::fs::remove_dir_all(out).unwrap();
}
