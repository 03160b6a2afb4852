//! The command line of the platform. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 data folder in use, 4 data that this version cannot read,
//! 5 wrong configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use im_platform::http::problem::chain;
use im_platform::serve;

#[derive(Parser)]
#[command(name = "im-platform", version, about = "The reference instant-messaging platform of Cloud Bridge")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the interfaces.
    Serve(Serve),
}

#[derive(Args)]
struct Serve {
    /// As the child of a bridge: token from stdin, port to stdout, until stdin ends.
    #[arg(long, requires = "data", conflicts_with = "config")]
    embedded: bool,
    /// The data folder (with --embedded).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, value_name = "FILE", required_unless_present = "embedded")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    let Command::Serve(args) = cli.command;
    let served = match (args.data, args.config) {
        (Some(data), None) => serve::embedded(&data),
        (_, Some(config)) => serve::standalone(&config),
        (None, None) => return ExitCode::from(2),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!(error = chain(&e), "im-platform ends");
            ExitCode::from(e.exit_code())
        }
    }
}

/// Logs go to stderr; `IM_PLATFORM_LOG` chooses what (`info` by default).
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("IM_PLATFORM_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
