//! Orders of a test to the cloud, over a socket: one line each, answered `done` or with what went wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use super::Cloud;
use crate::project::{Doing, Failure};

/// Takes orders until it is dropped with its process; the cloud ends with it.
pub struct Control {
    address: SocketAddr,
    cloud: Arc<Mutex<Option<Cloud>>>,
}

impl Control {
    /// Listens on loopback.
    pub fn of(cloud: Cloud) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").doing("listening for orders to the cloud")?;
        let address = listener.local_addr().doing("listening for orders to the cloud")?;
        let cloud = Arc::new(Mutex::new(Some(cloud)));
        let served = Arc::clone(&cloud);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let mut order = String::new();
                if reader.read_line(&mut order).is_err() {
                    continue;
                }
                let answer = match served.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    None => "the cloud has ended".to_owned(),
                    Some(cloud) => match cloud.obey(order.trim()) {
                        Ok(()) => "done".to_owned(),
                        Err(failure) => failure.to_string(),
                    },
                };
                // Who does not wait for the answer does not get it.
                let _ = writeln!(reader.get_mut(), "{answer}");
            }
        });
        Ok(Self { address, cloud })
    }

    /// Where orders are taken.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.cloud.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
