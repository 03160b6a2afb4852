//! The command line of the platform. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 data folder in use, 4 data that this version cannot read,
//! 5 wrong configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use im_platform::admin;
use im_platform::auth::Scope;
use im_platform::config::{self, Config};
use im_platform::console::ticket::Offer;
use im_platform::http::problem::chain;
use im_platform::serve::{self, ServeError};

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
    /// Bring a data folder that nobody serves to the current format.
    Migrate {
        /// The data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Copy a data folder into a new folder, also while it is served.
    Backup {
        /// The data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The new folder.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Print a new bearer token.
    Token {
        /// A secret for signed requests instead.
        #[arg(long)]
        signing: bool,
    },
    /// Print a link that logs in at the console of the platform that serves a data folder, once, within ten minutes.
    Console {
        /// The data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// For somebody who may look and not see places and media.
        #[arg(long)]
        read_only: bool,
        /// Without what people wrote.
        #[arg(long)]
        no_text: bool,
    },
    /// Print what curl needs (`curl --config`) to speak to the embedded platform that serves a data folder: a token for some hours, and the address.
    Pass {
        /// The data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// What it may do: integrator, operator or read-only.
        #[arg(long, default_value = "integrator", value_parser = ["integrator", "operator", "read-only"])]
        scope: String,
        /// How long.
        #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=8_760))]
        hours: u32,
        /// Path of the interface that is called.
        #[arg(default_value = "/v1/downlink")]
        path: String,
    },
    /// Read a configuration and say what is wrong with it.
    CheckConfig {
        /// The configuration file.
        #[arg(required_unless_present = "example")]
        file: Option<PathBuf>,
        /// Print an example with every setting instead.
        #[arg(long)]
        example: bool,
    },
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
    match cli.command {
        Command::Serve(args) => match (args.data, args.config) {
            (Some(data), None) => done(serve::embedded(&data), ServeError::exit_code),
            (_, Some(config)) => done(serve::standalone(&config), ServeError::exit_code),
            (None, None) => ExitCode::from(2),
        },
        Command::Migrate { data } => {
            let migrated =
                admin::migrate(&data).map(|(from, to)| println!("{{\"from\":{from},\"to\":{to}}}"));
            done(migrated, ServeError::exit_code)
        }
        Command::Backup { data, to } => {
            let copied = admin::backup(&data, &to).map(|media| println!("{{\"media\":{media}}}"));
            done(copied, |_| 1)
        }
        Command::Token { signing } => done(admin::token(signing).map(|token| println!("{token}")), |_| 1),
        Command::Console { data, read_only, no_text } => {
            let scope = if read_only { Scope::ReadOnly } else { Scope::Operator };
            let link = admin::console(&data, Offer { scope, text: !no_text && !read_only });
            done(link.map(|link| println!("{link}")), |_| 1)
        }
        Command::Pass { data, scope, hours, path } => {
            let scope = match scope.as_str() {
                "operator" => Scope::Operator,
                "read-only" => Scope::ReadOnly,
                _ => Scope::Integrator,
            };
            let pass = admin::pass(&data, scope, hours, &path);
            done(pass.map(|lines| println!("{lines}")), |_| 1)
        }
        Command::CheckConfig { example: true, .. } => {
            print!("{}", config::EXAMPLE);
            ExitCode::SUCCESS
        }
        Command::CheckConfig { file, .. } => {
            let checked = Config::read(&file.unwrap_or_default());
            done(checked.map(|config| println!("valid; listens on {}", config.listen)), |_| 5)
        }
    }
}

fn done<E: std::error::Error>(result: Result<(), E>, exit_code: impl Fn(&E) -> u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!(error = chain(&e), "im-platform ends");
            ExitCode::from(exit_code(&e))
        }
    }
}

/// Logs go to stderr; `IM_PLATFORM_LOG` chooses what (by default `info`, and of the Cassandra driver, which warns of each prepared statement, errors), `IM_PLATFORM_LOG_FORMAT=json` how.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("IM_PLATFORM_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,scylla=error"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    if std::env::var("IM_PLATFORM_LOG_FORMAT").is_ok_and(|f| f == "json") {
        log.json().init();
    } else {
        log.init();
    }
}
