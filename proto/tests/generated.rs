//! Proves that `src/gen/` is what the `.proto` files and AWS's service model give today.
//!
//! `BLESS=1 cargo test -p bedrock-inference-proto --test generated` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "tests"
)]

#[path = "generate/codec.rs"]
mod codec;
#[path = "generate/debug.rs"]
mod debug;
#[path = "generate/limits.rs"]
mod limits;
#[path = "generate/model.rs"]
#[expect(dead_code, reason = "the samplers use the rest")]
mod model;

use std::path::{Path, PathBuf};

use prost::Message as _;

#[test]
fn wire_types_are_fresh() {
    let out = std::env::temp_dir().join(format!("bedrock-inference-gen-{}", std::process::id()));
    std::fs::create_dir_all(&out).unwrap();
    let mut compiler = protox::Compiler::new([root()]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(proto_files()).unwrap();
    let files = compiler.file_descriptor_set();
    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        .skip_debug(debug::paths(&debug::hidden(&files.file)))
        .out_dir(&out)
        .compile_fds(files)
        .unwrap();
    let generated = std::fs::read(out.join("bedrock.inference.v1.rs")).unwrap();
    std::fs::remove_dir_all(&out).unwrap();
    assert_fresh("bedrock.inference.v1.rs", &generated);
}

#[test]
fn descriptor_set_is_fresh() {
    let mut compiler = protox::Compiler::new([root()]).unwrap();
    compiler.include_imports(true).include_source_info(false).open_files(proto_files()).unwrap();
    assert_fresh("descriptor.binpb", &compiler.file_descriptor_set().encode_to_vec());
}

#[test]
fn debug_is_fresh() {
    let mut compiler = protox::Compiler::new([root()]).unwrap();
    compiler.include_imports(true).open_files(proto_files()).unwrap();
    let files = compiler.file_descriptor_set();
    assert_fresh("debug.rs", debug::generate(&debug::hidden(&files.file)).as_bytes());
}

#[test]
fn codec_is_fresh() {
    assert_fresh("codec.rs", codec::generate(&model::load()).as_bytes());
}

fn assert_fresh(name: &str, generated: &[u8]) {
    let path = root().join("src/gen").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let checked_in = std::fs::read(&path).unwrap_or_default();
    assert!(
        checked_in == generated,
        "src/gen/{name} is stale; run BLESS=1 cargo test -p bedrock-inference-proto --test generated"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn proto_files() -> Vec<String> {
    let folder = "bedrock/inference/v1";
    let mut files: Vec<_> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    files.sort();
    files
}
