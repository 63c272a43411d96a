// The values that users meet (records, headers, errors, partitions) live with the format; one import gives them all.
@_exported public import RecordFormat
