//! Media in a folder.

mod suite;

use axum::body::Bytes;
use im_platform::media::{Files as _, Folder, MediaError, Places, Shown};

#[tokio::test]
async fn a_folder_does_what_every_place_must() {
    let folder = tempfile::tempdir().expect("a folder");
    suite::all(&Folder::in_data(folder.path())).await;
    suite::all(&Places::new(Folder::in_data(folder.path()), None)).await;
}

#[tokio::test]
async fn a_folder_serves_through_the_platform_only_and_leaves_nothing_half_written() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = Folder::in_data(data.path());
    let name = folder.new_name();
    // Something is in the way of its file.
    std::fs::create_dir_all(folder.path(&name)).expect("made");
    assert!(folder.put(&name, "image/png", Bytes::from_static(b"x")).await.is_err());
    let beside = folder.path(&name);
    let left = std::fs::read_dir(beside.parent().expect("a folder")).expect("read").count();
    assert_eq!(left, 1, "only what was in the way");
    assert_eq!(folder.link(&name, Shown::Inline).await.expect("no link"), None);
}

#[tokio::test]
async fn what_is_in_swift_is_not_looked_for_in_the_folder() {
    let data = tempfile::tempdir().expect("a folder");
    let places = Places::new(Folder::in_data(data.path()), None);
    let said = places.get("swift-0123").await.expect_err("no Swift is set");
    assert!(matches!(&said, MediaError::Unavailable(why) if why.contains("[media.swift]")), "{said}");
    assert!(places.remove("swift-0123").await.is_err(), "it is removed when there is one again");
}
