//! A stand-alone emulator: prints its URL and serves until it is interrupted.
#![expect(clippy::print_stdout, reason = "the URL is this program's output")]

use std::io;
use std::net::SocketAddr;

use bedrock_inference_emulator::{Emulator, Settings};

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut settings = Settings::default();
    if let Some(listen) = std::env::args().nth(1) {
        settings.listen = listen.parse::<SocketAddr>().map_err(io::Error::other)?;
    }
    let emulator = Emulator::start(settings).await?;
    println!("{}", emulator.url());
    tokio::signal::ctrl_c().await?;
    emulator.shutdown().await;
    Ok(())
}
