//! The `bedrock-inference` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    bedrock_inference::cli::main()
}
