//! `cargo xtask run`: a real Openfire with the plugin in decide mode on the embedded platform, to chat through and to send through.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::builds;
use crate::openfire::{Launch, Server};
use crate::platform;
use crate::project::{Doing, Failure, Output, Project};
use crate::tools::Jdk;

const DOMAIN: &str = "localhost";
const ACCOUNTS: &[&str] = &["juliet", "romeo", "mercutio"];
const PAGE: &str = "/plugins/cloudbridge/cloudbridge-settings.jsp";

pub fn run(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => start(project),
        [option] if option == "--platform-only" => platform::run(project, &signals()?),
        [option, directory] if option == "--openfire" => install(project, Path::new(directory)),
        _ => Err(Failure::new("usage: cargo xtask run [--platform-only | --openfire DIR]")),
    }
}

/// From here on a signal is an event, not an end.
pub fn signals() -> Result<mpsc::Receiver<()>, Failure> {
    let (stop, stopped) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).doing("listening for Ctrl-C")?;
    std::thread::spawn(move || {
        for _ in &mut signals {
            if stop.send(()).is_err() {
                return;
            }
        }
    });
    Ok(stopped)
}

fn start(project: &Project) -> Result<(), Failure> {
    let stopped = signals()?;
    let jdk = Jdk::for_builds()?;
    println!("Building (the first time takes some minutes)");
    builds::natives(project, Output::Kept(&project.log("natives")?))?;
    let jar = builds::jar(project, &jdk, Output::Kept(&project.log("dist")?))?;
    builds::openfire(project, &jdk, Output::Kept(&project.log("fetch")?))?;

    let launch = Launch {
        home: project.target.join("run"),
        domain: DOMAIN,
        jar,
        users: ACCOUNTS.iter().map(|name| (*name, format!("{name}-secret"))).collect(),
        properties: vec![
            ("plugin.cloudbridge.chat.mode", "decide".into()),
            ("plugin.cloudbridge.state.mode", "decide".into()),
            ("plugin.cloudbridge.user.mode", "decide".into()),
            ("plugin.cloudbridge.friend.mode", "decide".into()),
            ("plugin.cloudbridge.group.mode", "decide".into()),
            ("plugin.cloudbridge.room.mode", "decide".into()),
            ("plugin.cloudbridge.footprint.mode", "decide".into()),
            // Logins are decided only where passwords cannot pass in clear.
            ("xmpp.client.tls.policy", "required".into()),
        ],
        options: &[],
    };
    let mut server = Server::start(project, &jdk, &launch)?;
    let binary = builds::platform_binary(project);
    let curl = project.target.join("run.curl");
    platform::write_curl(&binary, &launch.home.join("cloudbridge/platform"), &curl)?;
    println!("{}", what_to_do(&launch, &server, &binary, &curl)?);
    while stopped.recv_timeout(Duration::from_millis(250)) == Err(mpsc::RecvTimeoutError::Timeout) {
        if !server.alive() {
            return Err(Failure::new(format!(
                "Openfire ended by itself; see {}",
                launch.home.join("logs").display()
            )));
        }
    }
    println!("\nStopping");
    server.stop();
    Ok(())
}

fn what_to_do(launch: &Launch, server: &Server, binary: &Path, curl: &Path) -> Result<String, Failure> {
    let (xmpp, admin) = (server.xmpp_port, server.admin_port);
    let data = launch.home.join("cloudbridge/platform");
    let accounts: Vec<String> = launch
        .users
        .iter()
        .map(|(name, password)| format!("    {name}@{DOMAIN}  password {password}"))
        .collect();
    Ok(format!(
        "\nOpenfire runs with Cloud Bridge in decide mode; the embedded platform decides who gets what.\n\n\
         Accounts\n{}\n\
         XMPP server 127.0.0.1, port {xmpp}, STARTTLS; the certificate is self-signed, so tell the client to accept it\n\
         Settings and status   http://127.0.0.1:{admin}{PAGE}\n\
         The same as JSON      http://127.0.0.1:{admin}{PAGE}?json\n\
         The platform's pages  {}\n\
         \x20                     (logs you in once, within ten minutes; another link: {} console --data {})\n\
         (this test server's console has no login page: whoever reaches the address is the administrator)\n\n\
         Try it: log in as juliet and as romeo with any two XMPP clients (in the account's advanced settings, set\n\
         server and port by hand) and write to each other. Log romeo out, write to him, log him in again: the message\n\
         comes from the platform, with the time at which it was sent. The page counts each step.\n\n\
         Send something through the platform to romeo, from another terminal:\n\
         \x20   curl -K {} -H \"idempotency-key: $(date +%s%N)\" \\\n\
         \x20     -d '{{\"to\": \"romeo@{DOMAIN}\", \"stanza\": {{\"kind\": \"message\", \"type\": \"chat\", \"body\": \"hello\"}}}}'\n\n\
         Logs: {}\n\n\
         Ctrl-C stops everything.",
        accounts.join("\n"),
        platform::console(binary, &data)?,
        binary.display(),
        data.display(),
        curl.display(),
        launch.home.join("logs/openfire.log").display(),
    ))
}

/// Puts the jar into an installation that the user has and runs.
fn install(project: &Project, directory: &Path) -> Result<(), Failure> {
    let plugins = directory.join("plugins");
    let looks_right = plugins.join("admin").is_dir() && directory.join("conf/openfire.xml").is_file();
    if !looks_right {
        return Err(Failure::new(format!(
            "{} is not an Openfire home: it has no plugins/admin and conf/openfire.xml",
            directory.display()
        )));
    }
    let jdk = Jdk::for_builds()?;
    builds::natives(project, Output::Kept(&project.log("natives")?))?;
    let jar = builds::jar(project, &jdk, Output::Kept(&project.log("dist")?))?;
    // Openfire scans the directory all the time: it must never see half a file.
    let part = plugins.join("cloudbridge.part");
    fs::copy(&jar, &part).doing(format!("writing {}", part.display()))?;
    fs::rename(&part, plugins.join("cloudbridge.jar"))
        .doing(format!("writing into {}", plugins.display()))?;
    println!(
        "Installed {}.\n\
         Openfire loads it within 20 seconds, or when it starts. Nothing changes for anybody until a mode is set:\n\
         - in the admin console, Server, Server Settings, Cloud Bridge: climb from watch to mirror to decide; or\n\
         - as system properties: plugin.cloudbridge.chat.mode = decide, plugin.cloudbridge.state.mode = mirror\n\
         The platform is the embedded one unless plugin.cloudbridge.platform.url and\n\
         plugin.cloudbridge.platform.token.password say otherwise.\n\
         On Java 24 and later start Openfire with --enable-native-access=ALL-UNNAMED to silence a warning.",
        plugins.join("cloudbridge.jar").display()
    );
    Ok(())
}
