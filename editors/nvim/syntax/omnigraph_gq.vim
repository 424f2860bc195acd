if exists("b:current_syntax")
  finish
endif

syntax match omnigraphOperator "[-+*/%=<>!]"
syntax keyword omnigraphStatement query match return order limit offset insert update set delete where optional distinct
syntax keyword omnigraphWord and or not in is null contains starts_with as asc desc
syntax match omnigraphFunction "\<\(now\|datetime\|date\|count\|sum\|avg\|min\|max\|search\|fuzzy\|match_text\|bm25\|nearest\|rrf\)\>\ze\s*("
syntax match omnigraphType "\<[A-Z][A-Za-z0-9_]*\>"
syntax keyword omnigraphScalar String Blob Bool I32 I64 U32 U64 F32 F64 DateTime Date Vector
syntax match omnigraphNumber "\<[0-9]\+\(\.[0-9]\+\)\?\>"
syntax keyword omnigraphBoolean true false
syntax match omnigraphVariable "\$[a-z_][A-Za-z0-9_]*"
syntax match omnigraphProperty "\.\s*\zs[a-z_][A-Za-z0-9_]*"
syntax match omnigraphProperty "\<[a-z_][A-Za-z0-9_]*\>\ze\s*:"
syntax match omnigraphEdge "\(\$[a-z_][A-Za-z0-9_]*\s\+\(\$[a-z_][A-Za-z0-9_]*:\)\?<\?\)\@<=[a-z_][A-Za-z0-9_]*\ze>\?\s*[{$]"
syntax match omnigraphAnnotation "@[a-z_][A-Za-z0-9_]*"
syntax region omnigraphString start=+"+ skip=+\\.+ end=+"+
syntax match omnigraphComment "//.*$"
syntax region omnigraphComment start="/\*" end="\*/"

highlight default link omnigraphOperator Operator
highlight default link omnigraphStatement Statement
highlight default link omnigraphWord Operator
highlight default link omnigraphFunction Function
highlight default link omnigraphType Structure
highlight default link omnigraphScalar Type
highlight default link omnigraphNumber Number
highlight default link omnigraphBoolean Boolean
highlight default link omnigraphVariable Identifier
highlight default link omnigraphProperty Special
highlight default link omnigraphEdge Tag
highlight default link omnigraphAnnotation PreProc
highlight default link omnigraphString String
highlight default link omnigraphComment Comment

let b:current_syntax = "omnigraph_gq"
