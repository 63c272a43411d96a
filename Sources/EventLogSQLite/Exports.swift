@_exported public import EventLog
