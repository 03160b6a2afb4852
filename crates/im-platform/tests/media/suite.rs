//! What every place for media must do.

use axum::body::Bytes;
use im_platform::media::{Files, MediaError};

/// All of it, in one place that may hold other files.
pub async fn all(files: &dyn Files) {
    a_file_comes_back_as_it_was_put(files).await;
    a_name_is_given_once(files).await;
    what_is_removed_is_gone_and_may_be_removed_again(files).await;
    what_is_not_there_is_said_to_be_not_there(files).await;
    many_at_once_do_not_mix(files).await;
}

async fn a_file_comes_back_as_it_was_put(files: &dyn Files) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    for bytes in [Bytes::new(), Bytes::from(all_bytes), Bytes::from(vec![0xa5; 5 << 20])] {
        let name = files.new_name();
        files.put(&name, "image/png", bytes.clone()).await.expect("put");
        assert!(files.get(&name).await.expect("there") == bytes, "{} bytes", bytes.len());
        files.remove(&name).await.expect("removed");
    }
}

async fn a_name_is_given_once(files: &dyn Files) {
    let names: std::collections::HashSet<String> = (0..1_000).map(|_| files.new_name()).collect();
    assert_eq!(names.len(), 1_000);
    for name in names {
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name} is safe in a path");
    }
}

async fn what_is_removed_is_gone_and_may_be_removed_again(files: &dyn Files) {
    let name = files.new_name();
    files.put(&name, "image/png", Bytes::from_static(b"x")).await.expect("put");
    for _ in 0..2 {
        files.remove(&name).await.expect("removed");
        assert!(matches!(files.get(&name).await, Err(MediaError::NotFound)));
    }
}

async fn what_is_not_there_is_said_to_be_not_there(files: &dyn Files) {
    assert!(matches!(files.get(&files.new_name()).await, Err(MediaError::NotFound)));
    files.remove(&files.new_name()).await.expect("nothing to do");
    assert_eq!(files.trouble(), None, "that is no trouble");
}

async fn many_at_once_do_not_mix(files: &dyn Files) {
    let names: Vec<String> = (0..40).map(|_| files.new_name()).collect();
    let one = async |name: &String| {
        files.put(name, "text/plain", Bytes::from(name.clone())).await.expect("put");
        assert_eq!(files.get(name).await.expect("there"), name.as_bytes());
        files.remove(name).await.expect("removed");
    };
    let mut all: Vec<_> = names.iter().map(|name| Box::pin(one(name))).collect();
    // One task that drives them side by side.
    std::future::poll_fn(|context| {
        all.retain_mut(|work| work.as_mut().poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
