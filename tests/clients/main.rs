//! Clients that share no code with the service: each Python script judges a running emulator and service.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::as_conversions,
    dead_code,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../e2e/stage.rs"]
mod stage;

use std::path::Path;
use std::process::Command;

use tokio::sync::Mutex;

use bedrock_inference::config::{RouteSetting, UnknownModels};
use stage::Stage;

/// One script at a time, so that their outputs do not mix.
static TURN: Mutex<()> = Mutex::const_new(());

/// Runs a script with these arguments; its output passes through, and its failure is ours.
async fn judged_by(script: &'static str, arguments: Vec<String>) {
    let _turn = TURN.lock().await;
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let mut command = Command::new(&python);
    command.arg("-B").arg(&script).args(arguments);
    let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap();
    let status = status.unwrap_or_else(|error| panic!("{} does not run: {error}", python.display()));
    assert!(status.success(), "{}: {status}", script.display());
}

#[tokio::test]
#[ignore = "needs python3 with tests/clients/requirements.txt"]
async fn boto3_accepts_the_emulator() {
    let stage = Stage::open().await;
    judged_by("emulator_boto3.py", vec![stage.emulator.url()]).await;
}

#[tokio::test]
#[ignore = "needs python3 with tests/clients/requirements.txt"]
async fn boto3_accepts_the_emulators_native_side() {
    let stage = Stage::open().await;
    judged_by("emulator_native_boto3.py", vec![stage.emulator.url()]).await;
}

#[tokio::test]
#[ignore = "needs python3 with tests/clients/requirements.txt"]
async fn boto3_assumes_roles_of_the_emulator() {
    let stage = Stage::open().await;
    judged_by("emulator_roles_boto3.py", vec![stage.emulator.url()]).await;
}

#[tokio::test]
#[ignore = "needs python3 with tests/clients/requirements.txt"]
async fn boto3_and_the_service_say_the_same() {
    // Converse's own bodies are compared, with all that any model may take.
    let stage = Stage::open_with(|settings| {
        settings.route = RouteSetting::Converse;
        settings.unknown_models = UnknownModels::Warn;
    });
    let stage = stage.await;
    judged_by("model_boto3.py", vec![stage.emulator.url(), stage.addr.to_string()]).await;
}

#[tokio::test]
#[ignore = "needs python3 with tests/clients/requirements.txt"]
async fn python_needs_only_reflection() {
    let stage = Stage::open().await;
    judged_by("json_over_reflection.py", vec![stage.addr.to_string()]).await;
}
