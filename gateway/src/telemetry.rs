//! Installs exporters; everybody else emits through the facades.
