//! What the services are configured with, and how they are started. Paths and ports are all that varies.

use std::fs;
use std::path::Path;

use crate::project::{Doing, Failure};

/// Where each service listens on loopback.
#[derive(Debug, Clone)]
pub struct Ports {
    pub keystone: u16,
    pub memcached: u16,
    pub account: u16,
    pub container: u16,
    pub object: u16,
    pub proxy: u16,
}

/// The password of Keystone's first administrator; of a cloud on loopback that lives for minutes.
pub const ADMIN: &str = "admin-of-the-test-cloud";
/// The password of Swift's own user.
pub const SWIFT: &str = "swift-of-the-test-cloud";
/// Seconds that a token holds after `start keystone short`.
const SHORT: u32 = 20;

/// Writes every configuration file and makes the folders they name.
pub fn write(home: &Path, ports: &Ports) -> Result<(), Failure> {
    for folder in ["fernet", "cred", "swift", "srv/d1"] {
        let folder = home.join(folder);
        fs::create_dir_all(&folder).doing(format!("making {}", folder.display()))?;
    }
    let h = home.display();
    let keystone = format!(
        "[DEFAULT]\nlog_file = {h}/logs/keystone-api.log\nuse_stderr = false\n\
         [database]\nconnection = sqlite:///{h}/keystone.db\n[token]\nprovider = fernet\n\
         [fernet_tokens]\nkey_repository = {h}/fernet\n[fernet_receipts]\nkey_repository = {h}/fernet\n\
         [credential]\nkey_repository = {h}/cred\n\
         [cache]\nenabled = true\nbackend = dogpile.cache.memory_pickle\n\
         [identity]\npassword_hash_rounds = 4\n"
    );
    file(home, "keystone.conf", &keystone)?;
    file(home, "short.conf", &format!("[token]\nexpiration = {SHORT}\n"))?;
    file(
        home,
        "swift/swift.conf",
        "[swift-hash]\nswift_hash_path_prefix = tests\nswift_hash_path_suffix = tests\n\
         [storage-policy:0]\nname = only\ndefault = yes\n",
    )?;
    for (kind, port) in storage(ports) {
        // What a container lists is brought up to date before an object's answer: nobody runs the daemon that would do it later.
        let server = format!(
            "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nuser = {}\nswift_dir = {h}/swift\ndevices = {h}/srv\n\
             mount_check = false\nworkers = 0\ndisable_fallocate = true\nfallocate_reserve = 0\nlog_address = /nonexistent\n\
             container_update_timeout = 60\n\
             [pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n\
             replication_server = false\n",
            user()
        );
        file(home, &format!("swift/{kind}.conf"), &server)?;
    }
    let login = format!(
        "auth_type = password\nauth_url = http://127.0.0.1:{}/v3\nusername = swift\npassword = {SWIFT}\n\
         project_name = service\nuser_domain_name = Default\nproject_domain_name = Default\n",
        ports.keystone
    );
    let proxy = format!(
        "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {}\nuser = {}\nswift_dir = {h}/swift\nworkers = 0\nlog_address = /nonexistent\n\
         [pipeline:main]\npipeline = catch_errors gatekeeper healthcheck cache listing_formats tempurl authtoken keystoneauth proxy-server\n\
         [app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n\
         [filter:catch_errors]\nuse = egg:swift#catch_errors\n[filter:gatekeeper]\nuse = egg:swift#gatekeeper\n\
         [filter:healthcheck]\nuse = egg:swift#healthcheck\n[filter:listing_formats]\nuse = egg:swift#listing_formats\n\
         [filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{}\n\
         [filter:tempurl]\nuse = egg:swift#tempurl\n\
         [filter:authtoken]\npaste.filter_factory = keystonemiddleware.auth_token:filter_factory\n\
         www_authenticate_uri = http://127.0.0.1:{}/v3\n{login}delay_auth_decision = True\ncache = swift.cache\n\
         interface = public\n\
         [filter:keystoneauth]\nuse = egg:swift#keystoneauth\noperator_roles = admin, swiftoperator\n",
        ports.proxy,
        user(),
        ports.memcached,
        ports.keystone
    );
    file(home, "swift/proxy.conf", &proxy)
}

/// What has to be run once, in this order.
pub fn preparations(home: &Path, ports: &Ports) -> Vec<Vec<String>> {
    let h = home.display();
    let url = format!("http://127.0.0.1:{}/v3/", ports.keystone);
    // The usual rollback journal of SQLite makes Keystone's requests fail when two come at once.
    let wal =
        format!("import sqlite3; sqlite3.connect('{h}/keystone.db').execute('PRAGMA journal_mode=WAL')");
    let mut all = vec![words(&["/usr/bin/python3", "-c", &wal])];
    let manage = |rest: &[&str]| {
        let conf = format!("{h}/keystone.conf");
        words(&[&["/usr/bin/keystone-manage", "--config-file", &conf][..], rest].concat())
    };
    let user = user();
    let owner = ["--keystone-user", user.as_str(), "--keystone-group", user.as_str()];
    all.push(manage(&["db_sync"]));
    all.push(manage(&[&["fernet_setup"][..], &owner].concat()));
    all.push(manage(&[&["credential_setup"][..], &owner].concat()));
    all.push(manage(&[
        "bootstrap",
        "--bootstrap-password",
        ADMIN,
        "--bootstrap-admin-url",
        &url,
        "--bootstrap-internal-url",
        &url,
        "--bootstrap-public-url",
        &url,
        "--bootstrap-region-id",
        "RegionOne",
    ]));
    for (kind, port) in storage(ports) {
        let builder = format!("{h}/swift/{kind}.builder");
        let ring = |rest: &[&str]| words(&[&["/usr/bin/swift-ring-builder", &builder][..], rest].concat());
        all.push(ring(&["create", "6", "1", "0"]));
        let port = port.to_string();
        let device = ["--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--port", &port];
        all.push(ring(&[&["add"][..], &device, &["--device", "d1", "--weight", "1"]].concat()));
        all.push(ring(&["rebalance"]));
    }
    all
}

/// Keystone's command.
pub fn keystone(home: &Path, ports: &Ports, short: bool) -> Vec<String> {
    let h = home.display();
    let files =
        if short { format!("{h}/keystone.conf;{h}/short.conf") } else { format!("{h}/keystone.conf") };
    let socket = format!("127.0.0.1:{}", ports.keystone);
    let files = format!("OS_KEYSTONE_CONFIG_FILES={files}");
    words(&[
        "/usr/bin/uwsgi",
        "--plugin",
        "python3",
        "--http-socket",
        &socket,
        "--wsgi-file",
        "/usr/bin/keystone-wsgi-public",
        "--master",
        "--processes",
        "1",
        "--threads",
        "2",
        "--die-on-term",
        "--buffer-size",
        "16384",
        "--post-buffering",
        "65536",
        "--env",
        &files,
        "--env",
        "OS_KEYSTONE_CONFIG_DIR=/nonexistent",
    ])
}

/// Swift's commands: name, port, words.
pub fn swift(home: &Path, ports: &Ports) -> Vec<(&'static str, u16, Vec<String>)> {
    let port = ports.memcached.to_string();
    // Only root may say whom it runs as, and has to.
    let mut memcached = words(&["/usr/bin/memcached", "-l", "127.0.0.1", "-p", &port, "-m", "16"]);
    if user() == "root" {
        memcached.extend(words(&["-u", "root"]));
    }
    let mut all = vec![("memcached", ports.memcached, memcached)];
    for (kind, port) in storage(ports).into_iter().chain([("proxy", ports.proxy)]) {
        let conf = home.join(format!("swift/{kind}.conf")).display().to_string();
        all.push((kind, port, words(&[&format!("/usr/bin/swift-{kind}-server"), &conf])));
    }
    all
}

fn storage(ports: &Ports) -> [(&'static str, u16); 3] {
    [("account", ports.account), ("container", ports.container), ("object", ports.object)]
}

/// Who we are.
fn user() -> String {
    let said = std::process::Command::new("id").arg("-un").output().map(|o| o.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn file(home: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = home.join(name);
    fs::write(&path, text).doing(format!("writing {}", path.display()))
}
