//! Ends the process without warning, and starts another on the same folder.

use super::{Gateway, free_addresses, ready, settings, spawn};

impl Gateway {
    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `kill -9`, once what was counted against quotas is kept: that is done every second.
    pub(crate) async fn kill_after_counts(&mut self) {
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        self.kill();
    }

    /// Starts a process again on the same folder, and on the same addresses unless somebody took one.
    pub(crate) async fn restart(&mut self) {
        for _ in 0..5 {
            let mut child = spawn(self.folder.path(), &self.wishes);
            if ready(&mut child, self.addresses.observe).await {
                self.child = child;
                return;
            }
            let _ = child.kill();
            let _ = child.wait();
            self.addresses = free_addresses();
            let settings = settings(self.addresses, self.upstream.address(), &self.wishes);
            std::fs::write(self.folder.path().join("gateway.toml"), settings).unwrap();
        }
        panic!("the gateway did not start again:\n{}", self.stderr());
    }
}
