//! HTTP and websocket doors.
