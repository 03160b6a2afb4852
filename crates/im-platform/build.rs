//! Gets what the console takes from npm (the map library and the land under it) into `OUT_DIR/console`, at the versions and hashes of
//! `console/package-lock.json`. Nothing of it is kept in the repository, no script of a package runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Files below `node_modules`, and what they are called in the console.
const FILES: &[(&str, &str)] = &[
    ("leaflet/dist/leaflet-src.esm.js", "leaflet.js"),
    ("leaflet/dist/leaflet.css", "leaflet.css"),
    ("topojson-client/dist/topojson-client.min.js", "topojson.js"),
    ("world-atlas/countries-50m.json", "world.json"),
];

fn main() {
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("console");
    for name in ["package.json", "package-lock.json"] {
        println!("cargo::rerun-if-changed={}", source.join(name).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(why) = fetch(&source, &out) {
        println!("cargo::error={why}");
    }
}

fn fetch(source: &Path, out: &Path) -> Result<(), String> {
    let work = out.join("npm");
    let assets = out.join("console");
    for folder in [&work, &assets] {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), work.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    let done = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&work)
        .output()
        .map_err(|e| {
            format!(
                "npm is needed to build im-platform (the console's map comes from it) and could not be started ({e}): \
                 install it, for example with: apt-get install --no-install-recommends npm"
            )
        })?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let said: Vec<&str> = said.lines().filter(|line| line.starts_with("npm error")).take(3).collect();
        return Err(format!("npm ci could not get the console's map ({}): {}", done.status, said.join("; ")));
    }
    for (from, to) in FILES {
        let from = work.join("node_modules").join(from);
        fs::copy(&from, assets.join(to)).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    // Only the files above are needed from here on.
    let _ = fs::remove_dir_all(work.join("node_modules"));
    Ok(())
}
