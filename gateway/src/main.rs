//! The `hubgate` command.

use std::process::ExitCode;

/// A request makes and drops some hundred small values on one thread; this allocator is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First of all: a library that builds TLS settings before this would take another provider.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    hubgate::app::run(std::env::args_os(), &mut out, &mut err)
}
