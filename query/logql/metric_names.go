package logql

const (
	labelError        = "__error__"
	labelErrorDetails = "__error_details__"
	errLabelFilter    = "LabelFilterErr"
)
