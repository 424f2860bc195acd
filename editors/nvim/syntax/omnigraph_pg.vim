if exists("b:current_syntax")
  finish
endif

syntax keyword omnigraphStatement node edge interface implements
syntax match omnigraphOperator "->\|\.\.\|?"
syntax match omnigraphType "\<[A-Z][A-Za-z0-9_]*\>"
syntax keyword omnigraphScalar String Blob Bool I32 I64 U32 U64 F32 F64 DateTime Date Vector enum
syntax match omnigraphNumber "\<[0-9]\+\(\.[0-9]\+\)\?\>"
syntax keyword omnigraphBoolean true false
syntax match omnigraphProperty "\<[a-z_][A-Za-z0-9_]*\>\ze\s*:"
syntax match omnigraphAnnotation "@[a-z_][A-Za-z0-9_]*"
syntax region omnigraphString start=+"+ skip=+\\.+ end=+"+
syntax match omnigraphComment "//.*$"
syntax region omnigraphComment start="/\*" end="\*/"

highlight default link omnigraphStatement Statement
highlight default link omnigraphOperator Operator
highlight default link omnigraphType Structure
highlight default link omnigraphScalar Type
highlight default link omnigraphNumber Number
highlight default link omnigraphBoolean Boolean
highlight default link omnigraphProperty Special
highlight default link omnigraphAnnotation PreProc
highlight default link omnigraphString String
highlight default link omnigraphComment Comment

let b:current_syntax = "omnigraph_pg"
