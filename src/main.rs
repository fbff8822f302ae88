//! argv → role. The only place that exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(hf2ms::cli::run(std::env::args_os()))
}
