//! The life of the process: own the data folder, open the store, listen, serve, finish what was accepted.
//!
//! Embedded: the parent holds our stdin. It writes one line with the token, reads one line with the port, and its end of the pipe closing, for
//! whatever reason, is the order to stop.

use std::fs::{File, TryLockError};
use std::io::{BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use serde::Deserialize;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::VERSION;
use crate::auth::pass::OrPass;
use crate::auth::{Caller, Credentials, Scope, StaticTokens};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::console::{self, Console, ticket};
use crate::http::{App, Limits, Rate, router};
use crate::media::swift::Swift;
use crate::media::{Files, Folder, Places};
use crate::modules::purge;
use crate::store::sqlite::{Settings, Sqlite};
use crate::store::{Store, StoreError};

/// How long what was accepted may take to finish at a stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head.
const HEADER_TIME: Duration = Duration::from_secs(20);
/// How often what has ended is tidied up.
const SWEEP: Duration = Duration::from_secs(1);
/// How often it is looked whether media can be had.
const PROBE: Duration = Duration::from_secs(10);

/// Why the platform does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another process owns the folder.
    #[error("the data folder {} is in use by another im-platform", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("the data folder {} cannot be used", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error("the store in {} cannot be opened", .folder.display())]
    Store {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The ring cannot be used.
    #[error("the store in Cassandra cannot be opened")]
    Ring(#[source] StoreError),
    /// The parent did not say what it should.
    #[error("the first line on stdin must be {{\"token\":\"...\"}} with at least 16 characters")]
    Greeting(#[source] Option<serde_json::Error>),
    /// The configuration cannot be used.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("the TLS certificate or key cannot be used")]
    Tls(#[source] std::io::Error),
    /// The process's own pipes or threads.
    #[error("the process cannot work")]
    Io(#[from] std::io::Error),
}

impl ServeError {
    /// The process's exit code: 3 in use, 4 data that cannot be read, 5 configuration, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InUse(_) => 3,
            Self::Store { source: StoreError::Corrupt(_) | StoreError::Newer { .. }, .. }
            | Self::Ring(StoreError::Corrupt(_) | StoreError::Newer { .. }) => 4,
            Self::Config(_) | Self::Tls(_) => 5,
            Self::Store { .. }
            | Self::Ring(_)
            | Self::Folder { .. }
            | Self::Greeting(_)
            | Self::Listen { .. }
            | Self::Io(_) => 1,
        }
    }
}

#[derive(Deserialize)]
struct Greeting {
    token: String,
}

/// Serves a parent process on loopback until stdin ends.
///
/// # Errors
/// [`ServeError`].
pub fn embedded(data: &Path) -> Result<(), ServeError> {
    let mut line = String::new();
    std::io::stdin().lock().take(64 << 10).read_line(&mut line)?;
    let greeting: Greeting = serde_json::from_str(&line).map_err(|e| ServeError::Greeting(Some(e)))?;
    if greeting.token.len() < 16 {
        return Err(ServeError::Greeting(None));
    }
    let lock = own(data)?;
    let store = Kept::File(open(data, Settings::default())?);
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into())?;
    let caller = Caller { name: "embedded".into(), scope: Scope::Bridge, text: true };
    let others = StaticTokens::new(vec![(greeting.token, caller)]);
    let credentials = OrPass { others, data: data.into(), clock: Clock::System };
    let hello = format!("{{\"port\":{},\"version\":\"{VERSION}\"}}\n", listener.local_addr()?.port());
    let (eof, parent_gone) = oneshot::channel();
    // Not joined: it ends with the pipe or with the process.
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = eof.send(());
    })?;
    let announce = move || {
        let mut out = std::io::stdout().lock();
        out.write_all(hello.as_bytes())?;
        out.flush()
    };
    let setup = Setup {
        rate: 0,
        limits: Limits::default(),
        data: data.into(),
        tls: None,
        swift: None,
        console: console::Settings::default(),
    };
    run(listener, store, Arc::new(credentials), setup, Some(parent_gone), announce)?;
    drop(lock);
    Ok(())
}

/// Serves as a configuration file says until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`].
pub fn standalone(config: &Path) -> Result<(), ServeError> {
    let config = Config::read(config)?;
    let lock = own(&config.data)?;
    #[cfg(feature = "cassandra")]
    let ring = config.cassandra.map(Kept::Ring);
    #[cfg(not(feature = "cassandra"))]
    let ring = None;
    let store = match ring {
        Some(ring) => ring,
        None => Kept::File(open(&config.data, config.store)?),
    };
    let listener = listen(config.listen)?;
    let addr = listener.local_addr()?;
    let credentials = Arc::new(config.credentials);
    let setup = Setup {
        rate: config.rate,
        limits: config.limits,
        data: config.data,
        tls: config.tls,
        swift: config.swift,
        console: config.console,
    };
    let announce = move || {
        tracing::info!(%addr, version = VERSION, "listening");
        Ok(())
    };
    run(listener, store, credentials, setup, None, announce)?;
    drop(lock);
    Ok(())
}

/// Creates the folder for its owner only and takes its lock, which ends with the process.
///
/// # Errors
/// [`ServeError::InUse`], [`ServeError::Folder`].
pub fn own(folder: &Path) -> Result<File, ServeError> {
    let unusable = |source| ServeError::Folder { folder: folder.into(), source };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(unusable)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::InUse(folder.into())),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

fn open(folder: &Path, settings: Settings) -> Result<Sqlite, ServeError> {
    Sqlite::open(folder, settings, Clock::System)
        .map_err(|source| ServeError::Store { folder: folder.into(), source })
}

fn listen(addr: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(addr).map_err(|source| ServeError::Listen { addr, source })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Where everything is kept.
enum Kept {
    /// In the data folder.
    File(Sqlite),
    /// In a ring of Cassandra, which is opened by who serves.
    #[cfg(feature = "cassandra")]
    Ring(crate::store::cassandra::Settings),
}

impl Kept {
    async fn store(self) -> Result<Arc<dyn Store>, ServeError> {
        match self {
            Self::File(store) => Ok(Arc::new(store)),
            #[cfg(feature = "cassandra")]
            Self::Ring(settings) => {
                let store = crate::store::cassandra::Cassandra::open(settings, Clock::System).await;
                store.map(|store| store as Arc<dyn Store>).map_err(ServeError::Ring)
            }
        }
    }
}

/// What the server is told besides store and credentials.
struct Setup {
    rate: u32,
    limits: Limits,
    data: PathBuf,
    tls: Option<(PathBuf, PathBuf)>,
    swift: Option<Swift>,
    console: console::Settings,
}

fn run(
    listener: TcpListener,
    store: Kept,
    credentials: Arc<dyn Credentials>,
    setup: Setup,
    parent_gone: Option<oneshot::Receiver<()>>,
    announce: impl FnOnce() -> std::io::Result<()>,
) -> Result<(), ServeError> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = cores.clamp(2, 4);
    let address = console_address(&listener, &setup)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    runtime.block_on(async move {
        #[cfg(unix)]
        survive_file_limits()?;
        let store = store.store().await?;
        let (stop, stopping) = watch::channel(false);
        let app = App {
            store: Arc::clone(&store),
            credentials,
            files: Arc::new(Places::new(Folder::in_data(&setup.data), setup.swift)),
            metrics: Arc::default(),
            rate: Arc::new(Rate::new(setup.rate)),
            hashing: Arc::new(Semaphore::new(cores.div_ceil(2))),
            stopping,
            limits: setup.limits,
            console: Arc::new(Console::new(setup.console, &setup.data, Clock::System)),
        };
        let handle = Handle::new();
        let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let mut server = axum_server::from_tcp(listener)?.handle(handle.clone());
        // Who opens a connection and says nothing does not keep it.
        server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
        let server = match setup.tls {
            Some((cert, key)) => {
                let _ = rustls::crypto::ring::default_provider().install_default();
                let config = RustlsConfig::from_pem_file(cert, key).await.map_err(ServeError::Tls)?;
                let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
                tokio::spawn(server.acceptor(acceptor).serve(service))
            }
            None => tokio::spawn(server.acceptor(NoDelayAcceptor::new()).serve(service)),
        };
        let prober = tokio::spawn(probe(Arc::clone(&app.files)));
        let sweeper = tokio::spawn(sweep(app));
        if setup.console.enabled {
            ticket::note_address(&setup.data, &address)?;
        }
        announce()?;
        let why = stop_order(parent_gone).await?;
        tracing::info!(why, "stopping");
        stop.send_replace(true);
        handle.graceful_shutdown(Some(GRACE));
        server.await.map_err(std::io::Error::other)??;
        sweeper.abort();
        prober.abort();
        ticket::forget_address(&setup.data);
        store.close().await;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Where a browser on this machine finds the console.
fn console_address(listener: &TcpListener, setup: &Setup) -> std::io::Result<String> {
    let addr = listener.local_addr()?;
    let scheme = if setup.tls.is_some() { "https" } else { "http" };
    if addr.ip().is_unspecified() {
        return Ok(format!("{scheme}://localhost:{}/console", addr.port()));
    }
    Ok(format!("{scheme}://{addr}/console"))
}

/// A write beyond a limit of file size is an error to be answered, not the end: the signal that comes with it is taken and dropped.
#[cfg(unix)]
fn survive_file_limits() -> std::io::Result<()> {
    // SIGXFSZ: the same number on Linux (but for MIPS), macOS and the BSDs.
    const SIGXFSZ: std::ffi::c_int = 25;
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)).map(drop)
}

async fn stop_order(parent_gone: Option<oneshot::Receiver<()>>) -> std::io::Result<&'static str> {
    let gone = async {
        match parent_gone {
            Some(gone) => drop(gone.await),
            None => std::future::pending().await,
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(tokio::select! {
            () = gone => "stdin ended",
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        })
    }
    #[cfg(not(unix))]
    Ok(tokio::select! {
        () = gone => "stdin ended",
        _ = tokio::signal::ctrl_c() => "interrupt",
    })
}

/// Looks whether media can be had, so that health knows before somebody wants one.
async fn probe(files: Arc<dyn Files>) {
    loop {
        files.probe().await;
        tokio::time::sleep(PROBE).await;
    }
}

async fn sweep(app: App) {
    loop {
        match app.store.sweep().await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => {
                purge(&app).await;
                tokio::time::sleep(SWEEP).await;
            }
            Err(StoreError::Closed) => return,
            Err(e) => {
                tracing::error!(error = crate::http::problem::chain(&e), "tidying up failed");
                tokio::time::sleep(SWEEP * 10).await;
            }
        }
    }
}
