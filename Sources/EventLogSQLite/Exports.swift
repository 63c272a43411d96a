@_exported public import EventLog
@_exported public import GRDB
